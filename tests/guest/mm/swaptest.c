// SPDX-License-Identifier: Apache-2.0
// What programs see of swap: swaptest DEVICE. Prints what does not depend on where the swap lies or how large memory is.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 256
#define PAGE 4096L

static long field(const char *path, const char *name)
{
	char line[256];
	long n = -1;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && strchr(" :\t", line[strlen(name)])) {
			n = strtol(line + strlen(name) + 1, NULL, 10);
			break;
		}
	if (f)
		fclose(f);
	return n;
}
/* A line of the area that starts at p. */
static long smap(const void *p, const char *name)
{
	char line[256], start[32];
	long n = -1;
	int here = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	sprintf(start, "%lx-", (long)p);
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, start, strlen(start)))
			here = 1;
		if (here && !strncmp(line, name, strlen(name)) && line[strlen(name)] == ':') {
			n = strtol(line + strlen(name) + 1, NULL, 10);
			break;
		}
	}
	fclose(f);
	return n;
}
/* Linux keeps free slots for each CPU that still count as used: what is used is exact only before any was freed. */
static void swaps(const char *when, int exact)
{
	char line[256], name[128], type[16];
	long size, used, prio;
	FILE *f = fopen("/proc/swaps", "r");
	int n = 0;

	fgets(line, sizeof(line), f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%127s %15s %ld %ld %ld", name, type, &size, &used, &prio) == 5 && ++n)
			printf("%s: size %ld, used %ld, priority %ld\n", when, size, exact ? used : 0, prio);
	if (n == 0)
		printf("%s: none\n", when);
	fclose(f);
}
static unsigned long entry(const char *p)
{
	unsigned long e = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	pread(fd, &e, 8, (unsigned long)p / PAGE * 8);
	close(fd);
	return e;
}
static void bits(const char *when, const char *p)
{
	unsigned long e = entry(p);

	printf("%s: present %ld, swapped %ld, file %ld, type %ld, slot %d\n", when, e >> 63, (e >> 62) & 1, (e >> 61) & 1, (e >> 62) & 1 ? e & 31 : 0,
	       (e >> 62) & 1 ? ((e >> 5) & ((1UL << 50) - 1)) != 0 : 0);
}
static int resident(char *p, int pages)
{
	unsigned char v[PAGES];
	int n = 0;

	mincore(p, pages * PAGE, v);
	for (int i = 0; i < pages; i++)
		n += v[i] & 1;
	return n;
}
static int wrong(const char *p, int pages, int seed)
{
	int bad = 0;

	for (int i = 0; i < pages; i++)
		bad += ((const int *)(p + i * PAGE))[i % 1000] != i * 7 + seed;
	return bad;
}
static void fill(char *p, int pages, int seed)
{
	for (int i = 0; i < pages; i++)
		((int *)(p + i * PAGE))[i % 1000] = i * 7 + seed;
}
static long major(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_majflt;
}
static void call(const char *what, int r)
{
	printf("%s: %d %s\n", what, r, r < 0 ? strerror(errno) : "");
}

int main(int argc, char **argv)
{
	const char *dev = argv[1];
	char *p, *q, *s;
	long before, out, in;
	int fd;

	setvbuf(stdout, NULL, _IONBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	fd = open("/proc/sys/vm/page-cluster", O_WRONLY);
	write(fd, "0", 1);
	close(fd);

	mkdir("/tmp/dir", 0755);
	fd = open("/tmp/file", O_CREAT | O_RDWR, 0600);
	ftruncate(fd, 1 << 20);
	close(fd);
	call("swapon of nothing", swapon("/tmp/nothing", 0));
	call("swapon of a directory", swapon("/tmp/dir", 0));
	call("swapon of a file of tmpfs", swapon("/tmp/file", 0));
	call("swapon with bad flags", swapon(dev, 0x100000));
	call("swapoff of nothing", swapoff("/tmp/nothing"));
	call("swapoff of a file", swapoff("/tmp/file"));
	call("swapoff of what is not used", swapoff(dev));
	if (fork() == 0) {
		setuid(1000);
		call("swapon by a user", swapon(dev, 0));
		call("swapoff by a user", swapoff(dev));
		_exit(0);
	}
	wait(NULL);
	swaps("before", 1);
	call("swapon", swapon(dev, 0));
	call("swapon again", swapon(dev, 0));
	swaps("after", 1);
	printf("meminfo: total %ld, free %ld\n", field("/proc/meminfo", "SwapTotal"), field("/proc/meminfo", "SwapFree"));

	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fill(p, PAGES, 1);
	printf("status: swap %ld\n", field("/proc/self/status", "VmSwap"));
	out = field("/proc/vmstat", "pswpout");
	before = field("/proc/self/status", "RssAnon");
	call("pageout", madvise(p, PAGES * PAGE, MADV_PAGEOUT));
	printf("status: swap %ld, resident less %ld\n", field("/proc/self/status", "VmSwap"), before - field("/proc/self/status", "RssAnon"));
	printf("smaps: rss %ld, swap %ld, pss %ld\n", smap(p, "Rss"), smap(p, "Swap"), smap(p, "SwapPss"));
	printf("written %ld, resident %d\n", field("/proc/vmstat", "pswpout") - out, resident(p, PAGES));
	bits("pagemap", p);
	swaps("out", 1);

	before = major();
	in = field("/proc/vmstat", "pswpin");
	printf("wrong %d\n", wrong(p, 10, 1));
	printf("major faults %ld, read %ld\n", major() - before, field("/proc/vmstat", "pswpin") - in);
	printf("status: swap %ld, smaps: rss %ld, swap %ld\n", field("/proc/self/status", "VmSwap"), smap(p, "Rss"), smap(p, "Swap"));
	bits("pagemap", p);
	for (int i = 20; i < 30; i++)
		p[i * PAGE + 4095] = 1;
	printf("written to: smaps: rss %ld, swap %ld, wrong %d\n", smap(p, "Rss"), smap(p, "Swap"), wrong(p + 20 * PAGE, 0, 1));

	fflush(stdout);
	if (fork() == 0) {
		printf("child: smaps: swap %ld, pss %ld\n", smap(p, "Swap"), smap(p, "SwapPss"));
		printf("child: wrong %d\n", wrong(p, PAGES, 1));
		printf("child: status: swap %ld\n", field("/proc/self/status", "VmSwap"));
		_exit(0);
	}
	wait(NULL);
	printf("parent: smaps: swap %ld\n", smap(p, "Swap"));
	printf("parent: wrong %d\n", wrong(p, PAGES, 1));
	printf("parent: status: swap %ld\n", field("/proc/self/status", "VmSwap"));

	/* Moved, protected, thrown away while they are out. */
	fill(p, PAGES, 2);
	madvise(p, PAGES * PAGE, MADV_PAGEOUT);
	q = mremap(p, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 4 * PAGES * PAGE);
	printf("moved: smaps: rss %ld, swap %ld\n", smap(q, "Rss"), smap(q, "Swap"));
	mprotect(q, PAGES * PAGE, PROT_READ);
	printf("protected: wrong %d\n", wrong(q, 50, 2));
	mprotect(q, PAGES * PAGE, PROT_READ | PROT_WRITE);
	madvise(q, 100 * PAGE, MADV_DONTNEED);
	printf("dropped: smaps: swap %ld, first word %d\n", smap(q, "Swap"), *(int *)q);
	munmap(q + 128 * PAGE, 128 * PAGE);
	printf("unmapped: smaps: swap %ld\n", smap(q, "Swap"));
	munmap(q, PAGES * PAGE);
	printf("gone: status: swap %ld\n", field("/proc/self/status", "VmSwap"));
	swaps("gone", 0);

	/* Shared memory goes out through its file. */
	s = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fill(s, 64, 3);
	call("shared pageout", madvise(s, 64 * PAGE, MADV_PAGEOUT));
	printf("smaps: rss %ld, swap %ld, status: swap %ld\n", smap(s, "Rss"), smap(s, "Swap"), field("/proc/self/status", "VmSwap"));
	bits("pagemap", s);
	swaps("shared", 0);
	if (fork() == 0) {
		printf("child: wrong %d\n", wrong(s, 64, 3));
		_exit(0);
	}
	wait(NULL);
	printf("wrong %d, smaps: swap %ld\n", wrong(s, 64, 3), smap(s, "Swap"));
	munmap(s, 64 * PAGE);
	swaps("shared gone", 0);

	/* Locked pages stay. */
	p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	call("mlock", mlock(p, 16 * PAGE));
	printf("locked %ld\n", smap(p, "Locked"));
	call("pageout of locked", madvise(p, 16 * PAGE, MADV_PAGEOUT));
	call("munlock", munlock(p, 8 * PAGE));
	printf("locked %ld\n", smap(p, "Locked"));
	munmap(p, 16 * PAGE);

	/* A page of zeros is not written. */
	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < PAGES; i++)
		p[i * PAGE] = 0;
	out = field("/proc/vmstat", "pswpout");
	before = field("/proc/vmstat", "swpout_zero");
	madvise(p, PAGES * PAGE, MADV_PAGEOUT);
	printf("zeros: written %ld, not written %ld, swap %ld\n", field("/proc/vmstat", "pswpout") - out, field("/proc/vmstat", "swpout_zero") - before,
	       smap(p, "Swap"));
	fill(p, PAGES, 4);
	madvise(p, PAGES * PAGE, MADV_PAGEOUT);

	call("swapoff", swapoff(dev));
	swaps("off", 1);
	printf("smaps: rss %ld, swap %ld, status: swap %ld, wrong %d\n", smap(p, "Rss"), smap(p, "Swap"), field("/proc/self/status", "VmSwap"), wrong(p, PAGES, 4));
	printf("meminfo: total %ld, free %ld, cached %ld\n", field("/proc/meminfo", "SwapTotal"), field("/proc/meminfo", "SwapFree"), field("/proc/meminfo", "SwapCached"));
	call("swapon with a priority", swapon(dev, SWAP_FLAG_PREFER | 7));
	swaps("on", 1);
	call("swapoff", swapoff(dev));
	return 0;
}
