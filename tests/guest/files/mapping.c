// Stores through a shared mapping of the named file, syncs, appends; for tests/mounts.test.mjs.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
	char buf[5000];
	memset(buf, 'x', sizeof buf);
	if (write(fd, buf, sizeof buf) != sizeof buf) return 1;
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || p[4999] != 'x' || p[5000] != 0) return 2;
	memcpy(p, "stored", 6);
	if (pread(fd, buf, 6, 0) != 6 || memcmp(buf, "stored", 6)) return 3;
	if (msync(p, 8192, MS_SYNC)) return 4;
	memcpy(p, "STORED", 6);
	int ad = open(argv[1], O_WRONLY | O_APPEND);
	if (write(ad, "tail", 4) != 4 || memcmp(p + 5000, "tail", 4)) return 5;
	if (munmap(p, 8192) || fsync(fd)) return 6;
	puts("mapped, stored, synced, appended");
	return 0;
}
