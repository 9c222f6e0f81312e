// SPDX-License-Identifier: Apache-2.0
// Random operations on an arena of the address space, from a seed: mmap, munmap, mprotect, mremap, madvise, mlock, stores, fork. After each one a line: what it was,
// what it answered, and digests of the arena's lines of /proc/self/maps (addresses relative to it) and of what its pages hold. Runs as init.
//   vmaops [SEED STEPS [FROM]]    FROM: show the lines of maps from this step on
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 48
#define PAGE 4096
#define FILE_PAGES 24
static char *arena;
static uint32_t state;
static int show_from = 1 << 30;
static sigjmp_buf fault;

static uint32_t below(uint32_t n)
{
	state = state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)(state ^ state >> 15) * 2654435761u >> 8) % n);
}
static void on_fault(int sig) { siglongjmp(fault, sig); }

static uint32_t mix(uint32_t h, const void *p, size_t n)
{
	const unsigned char *c = p;
	while (n--) h = (h ^ *c++) * 16777619u;
	return h;
}
static char text[1 << 16];
static uint32_t maps(int show, unsigned char *readable)
{
	uint32_t h = 2166136261u;
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t n = 0;
	for (ssize_t r; (r = read(fd, text + n, sizeof(text) - 1 - n)) > 0;) n += r;
	text[n] = 0;
	close(fd);
	memset(readable, 0, PAGES);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long from, to, off, ino;
		unsigned dev[2];
		char perms[8], name[256] = "", out[400];
		sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %255[^\n]", &from, &to, perms, &off, &dev[0], &dev[1], &ino, name);
		if (to <= (unsigned long)arena || from >= (unsigned long)arena + PAGES * PAGE) continue;
		// Anonymous areas show no offset; a shared one shows its page in the object.
		int len = snprintf(out, sizeof(out), "  %lu-%lu %s %lx %s\n", (from - (unsigned long)arena) / PAGE, (to - (unsigned long)arena) / PAGE, perms, off, strrchr(name, '/') ? strrchr(name, '/') : name);
		h = mix(h, out, len);
		if (show && write(1, out, len) < 0) _exit(9);
		if (perms[0] == 'r')
			for (unsigned long p = from; p < to; p += PAGE) readable[(p - (unsigned long)arena) / PAGE] = 1;
	}
	return h;
}
static uint32_t contents(const unsigned char *readable)
{
	uint32_t h = 2166136261u;
	for (int i = 0; i < PAGES; i++) {
		if (!readable[i]) continue;
		int sig = sigsetjmp(fault, 1);
		if (sig) { h = mix(h, &sig, sizeof(sig)); continue; }
		h = mix(h, &i, sizeof(i));
		// Every store of this program goes to one of these places.
		for (int at = 0; at < PAGE; at += 512) h = mix(h, arena + (size_t)i * PAGE + at, 8);
	}
	return h;
}
static const int PROTS[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
static const char *err(long r) { return r >= 0 ? "ok" : strerrorname_np(errno); }
static int file;

static void step(int n, int inside);
static void report(int n, const char *what, const char *answer)
{
	unsigned char readable[PAGES];
	char line[200];
	uint32_t m = maps(n >= show_from, readable);
	int len = snprintf(line, sizeof(line), "%d %s %s %08x %08x\n", n, what, answer, m, contents(readable));
	if (write(1, line, len) < 0) _exit(9);
}
static void stores(void)
{
	uint32_t page = below(PAGES), count = 1 + below(6);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t value = below(1u << 30);
		char *at = arena + (size_t)((page + i) % PAGES) * PAGE + below(8) * 512;
		if (!sigsetjmp(fault, 1)) *(volatile uint64_t *)at = value;
	}
}
static const char *moved(char *p)
{
	static char where[24];
	if (p == MAP_FAILED) return strerrorname_np(errno);
	snprintf(where, sizeof(where), "%ld", (long)(p - arena) / PAGE);
	return where;
}
static void step(int n, int inside)
{
	uint32_t at = below(PAGES), len = 1 + below(PAGES - at < 12 ? PAGES - at : 12);
	char *p = arena + (size_t)at * PAGE;
	size_t size = (size_t)len * PAGE;
	char what[120];

	switch (below(16)) {
	case 0: case 1: case 2: {
		int prot = PROTS[below(6)], kind = below(6);
		int flags = MAP_FIXED | (kind < 3 ? MAP_PRIVATE | MAP_ANONYMOUS : kind == 3 ? MAP_SHARED | MAP_ANONYMOUS : kind == 4 ? MAP_PRIVATE : MAP_SHARED);
		if (below(8) == 0) flags |= MAP_POPULATE;
		if (below(8) == 0) flags |= MAP_NORESERVE;
		uint32_t off = below(FILE_PAGES + 2);
		char *r = mmap(p, size, prot, flags, flags & MAP_ANONYMOUS ? -1 : file, flags & MAP_ANONYMOUS ? 0 : (off_t)off * PAGE);
		snprintf(what, sizeof(what), "mmap %u+%u prot %d flags %x off %u", at, len, prot, flags, off);
		report(n, what, r == MAP_FAILED ? err(-1) : "ok");
		return;
	}
	case 3: case 4: {
		long r = munmap(p, size);
		snprintf(what, sizeof(what), "munmap %u+%u", at, len);
		report(n, what, err(r));
		return;
	}
	case 5: case 6: {
		int prot = PROTS[below(6)];
		long r = mprotect(p, size, prot);
		snprintf(what, sizeof(what), "mprotect %u+%u %d", at, len, prot);
		report(n, what, err(r));
		return;
	}
	case 7: case 8: {
		uint32_t want = 1 + below(12), to = below(PAGES - want + 1);
		int flags = (const int[]){ 0, MREMAP_FIXED | MREMAP_MAYMOVE, MREMAP_FIXED | MREMAP_MAYMOVE, MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP }[below(4)];
		if (flags & MREMAP_DONTUNMAP) want = len, to = below(PAGES - want + 1);
		char *r = mremap(p, size, (size_t)want * PAGE, flags, arena + (size_t)to * PAGE);
		snprintf(what, sizeof(what), "mremap %u+%u to %u+%u flags %d", at, len, to, want, flags);
		report(n, what, moved(r));
		return;
	}
	case 9: case 10: {
		int advice = (const int[]){ MADV_DONTNEED, MADV_DONTNEED, MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_DONTDUMP, MADV_DODUMP, MADV_WILLNEED, MADV_SEQUENTIAL, MADV_NORMAL, MADV_POPULATE_WRITE }[below(12)];
		long r = madvise(p, size, advice);
		snprintf(what, sizeof(what), "madvise %u+%u %d", at, len, advice);
		report(n, what, err(r));
		return;
	}
	case 11: {
		int un = below(2);
		long r = un ? munlock(p, size) : mlock(p, size);
		snprintf(what, sizeof(what), "%s %u+%u", un ? "munlock" : "mlock", at, len);
		report(n, what, err(r));
		return;
	}
	case 12:
		if (!inside) {
			pid_t child = fork();
			if (child == 0) {
				report(n, "in the child", "");
				for (int i = 0; i < 6; i++) step(n, 1);
				_exit(0);
			}
			int status;
			waitpid(child, &status, 0);
			// What the child drew is drawn here too, so that both go on alike.
			below(2);
			snprintf(what, sizeof(what), "child ended with %d", status);
			report(n, what, "");
			return;
		} /* fall through */
	default:
		stores();
		report(n, "stores", "");
	}
}
static void play(uint32_t seed, int steps)
{
	char line[40];
	int len = snprintf(line, sizeof(line), "seed %u\n", seed);
	if (write(1, line, len) < 0) _exit(9);
	state = seed;
	file = open("/tmp/vmaops", O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (int i = 0; i < FILE_PAGES; i++) {
		char page[PAGE];
		memset(page, 0, sizeof(page));
		for (int at = 0; at < PAGE; at += 512) memcpy(page + at, &(uint64_t){ (uint64_t)i << 32 | at | 1 }, 8);
		if (write(file, page, sizeof(page)) != sizeof(page)) _exit(8);
	}
	// Room around the arena, so that nothing else becomes its neighbour.
	char *room = mmap(NULL, 2 * PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	arena = room + PAGES / 2 * PAGE;
	munmap(arena, PAGES * PAGE);
	mmap(room, PAGES / 2 * PAGE, PROT_NONE, MAP_FIXED | MAP_SHARED, file, 0);
	mmap(arena + PAGES * PAGE, PAGES / 2 * PAGE, PROT_NONE, MAP_FIXED | MAP_SHARED, file, 0);
	for (int n = 0; n < steps; n++) step(n, 0);
	munmap(room, 2 * PAGES * PAGE);
	close(file);
}
int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	if (getpid() == 1 || access("/proc/self", F_OK) < 0) {
		mkdir("/proc", 0755);
		mount("proc", "/proc", "proc", 0, NULL);
	}
	mkdir("/tmp", 0777);
	if (argc > 3) show_from = atoi(argv[3]);
	if (argc > 2) play(atoi(argv[1]), atoi(argv[2]));
	else {
		// Beyond the first eight, those that found something wrong.
		static const uint32_t seeds[] = { 1, 2, 3, 4, 5, 6, 7, 8, 38, 56, 62, 74, 76, 125, 140 };
		for (unsigned i = 0; i < sizeof(seeds) / sizeof(*seeds); i++) play(seeds[i], 400);
	}
	if (getpid() == 1) {
		sync();
		reboot(RB_POWER_OFF);
	}
	return 0;
}
