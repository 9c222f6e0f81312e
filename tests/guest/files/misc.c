// Asynchronous I/O, F_NOTIFY, poll of /proc/self/mounts, inode flags, seals and mappings, remap_file_pages, openat2, pipe sizes, odds and ends.
#include "common.h"
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/openat2.h>

#ifndef F_CREATED_QUERY
#define F_CREATED_QUERY 1028
#endif
static volatile int got;
static void on(int sig) { got++; }
static struct iocb cb(int op, int fd, void *buf, long n, long off, uint64_t data)
{
	struct iocb c = { .aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (uint64_t)buf, .aio_nbytes = n, .aio_offset = off, .aio_data = data };
	return c;
}
static long submit(aio_context_t ctx, struct iocb *c) { return syscall(SYS_io_submit, ctx, 1, &c); }
static void events(aio_context_t ctx, long min, long max, long ms)
{
	struct io_event ev[8];
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	long n = syscall(SYS_io_getevents, ctx, min, max, ev, &t);
	if (n < 0) { say("io_getevents", n); return; }
	printf("io_getevents = %ld:", n);
	for (int i = 0; i < n; i++) printf(" %lu=%ld", (long)ev[i].data, (long)ev[i].res);
	putchar('\n');
}
static void aio(void)
{
	aio_context_t ctx = 0, bad = 0x1000;
	char buf[64] = "", pb[8];
	int p[2], fd = open("aio", O_RDWR | O_CREAT, 0644), ro = open("aio", O_RDONLY);
	SAY(syscall(SYS_io_setup, 0, &ctx));
	SAY(syscall(SYS_io_setup, 4, NULL));
	SAY(syscall(SYS_io_setup, 4, &bad));
	SAY(syscall(SYS_io_setup, 1 << 30, &ctx));
	SAY(syscall(SYS_io_setup, 4, &ctx));
	struct iocb w = cb(IOCB_CMD_PWRITE, fd, "hello world", 11, 3, 1), r = cb(IOCB_CMD_PREAD, fd, buf, 20, 3, 2), s = cb(IOCB_CMD_FSYNC, fd, 0, 0, 0, 3);
	w.aio_key = 77;
	SAY(submit(ctx, &w)); text("key %u", w.aio_key);
	SAY(submit(ctx, &r));
	SAY(submit(ctx, &s));
	events(ctx, 3, 8, 1000);
	text("'%s'", buf);
	events(ctx, 0, 8, 0);
	events(ctx, 1, 8, 10);
	struct iocb e = cb(99, fd, buf, 1, 0, 0);
	SAY(submit(ctx, &e));
	e = cb(IOCB_CMD_PWRITE, ro, buf, 1, 0, 0); SAY(submit(ctx, &e));
	e = cb(IOCB_CMD_PREAD, 99, buf, 1, 0, 0); SAY(submit(ctx, &e));
	e = cb(IOCB_CMD_PREAD, fd, buf, 1, -1, 0); SAY(submit(ctx, &e));
	e = cb(IOCB_CMD_PREAD, fd, (void *)1, 1, 0, 9); SAY(submit(ctx, &e)); events(ctx, 0, 8, 0);
	e = cb(IOCB_CMD_PREAD, fd, buf, 1, 0, 0); e.aio_reserved2 = 1; SAY(submit(ctx, &e));
	SAY(syscall(SYS_io_submit, ctx, -1, NULL)); SAY(syscall(SYS_io_submit, ctx, 0, NULL)); SAY(syscall(SYS_io_submit, ctx, 1, (void *)8)); SAY(submit(bad, &w));
	SAY(syscall(SYS_io_getevents, ctx, 2, 1, NULL, NULL)); SAY(syscall(SYS_io_getevents, bad, 0, 1, NULL, NULL));
	struct iovec iov[2] = { { "ab", 2 }, { "cd", 2 } };
	e = cb(IOCB_CMD_PWRITEV, fd, iov, 2, 0, 4); SAY(submit(ctx, &e)); events(ctx, 1, 1, 1000);
	pipe(p);
	e = cb(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0, 5);
	SAY(submit(ctx, &e));
	events(ctx, 0, 8, 0);
	write(p[1], "x", 1);
	events(ctx, 1, 8, 1000);
	read(p[0], pb, 1);
	int efd = syscall(SYS_eventfd2, 0, 0);
	e = cb(IOCB_CMD_PREAD, fd, buf, 4, 0, 6); e.aio_flags = IOCB_FLAG_RESFD; e.aio_resfd = efd;
	SAY(submit(ctx, &e)); events(ctx, 1, 8, 1000);
	uint64_t count = 0; read(efd, &count, 8); text("eventfd %lu", (long)count);
	SAY(syscall(SYS_io_cancel, ctx, &r, NULL)); SAY(syscall(SYS_io_cancel, ctx, NULL, NULL)); SAY(syscall(SYS_io_cancel, bad, &r, NULL));
	SAY(syscall(SYS_io_destroy, ctx)); SAY(syscall(SYS_io_destroy, ctx));
}
static void flags(void)
{
	int v, fd = open("fl", O_RDWR | O_CREAT, 0644);
	write(fd, "data", 4);
	SAY(ioctl(fd, FS_IOC_GETFLAGS, &v)); text("flags %x", v);
	v = FS_APPEND_FL; SAY(ioctl(fd, FS_IOC_SETFLAGS, &v));
	SAY(open("fl", O_WRONLY)); SAY(open("fl", O_WRONLY | O_APPEND | O_TRUNC)); int a = open("fl", O_WRONLY | O_APPEND); text("append %d", a > 0);
	SAY(write(a, "+", 1)); SAY(fcntl(a, F_SETFL, 0)); SAY(ftruncate(fd, 0)); SAY(truncate("fl", 0)); SAY(unlink("fl")); SAY(rename("fl", "fl2")); SAY(link("fl", "fl3")); SAY(chmod("fl", 0600));
	SAY(setxattr("fl", "user.x", "y", 1, 0)); SAY(utimensat(AT_FDCWD, "fl", NULL, 0)); struct timespec t[2] = { { 1, 0 }, { 2, 0 } }; SAY(utimensat(AT_FDCWD, "fl", t, 0)); SAY(fallocate(a, 3, 0, 4096)); SAY(fallocate(a, 0, 0, 4096));
	v = FS_IMMUTABLE_FL; SAY(ioctl(fd, FS_IOC_SETFLAGS, &v)); SAY(open("fl", O_WRONLY | O_APPEND)); SAY(open("fl", O_RDONLY) > 0); SAY(utimensat(AT_FDCWD, "fl", NULL, 0)); SAY(access("fl", W_OK)); SAY(chown("fl", 1, 1)); SAY(write(a, "+", 1)); SAY(fallocate(a, 0, 0, 4096));
	struct statx st; statx(AT_FDCWD, "fl", 0, STATX_BASIC_STATS, &st); text("attributes %lx of %lx", (long)st.stx_attributes, (long)st.stx_attributes_mask);
	v = 0x1; SAY(ioctl(fd, FS_IOC_SETFLAGS, &v));
	mkdir("fd", 0755); make("fd/in", "1"); int d = open("fd", O_RDONLY); v = FS_APPEND_FL; SAY(ioctl(d, FS_IOC_SETFLAGS, &v)); SAY(unlink("fd/in")); SAY(make("fd/new", "2")); SAY(rename("fd/in", "fd/x"));
	v = FS_IMMUTABLE_FL; SAY(ioctl(d, FS_IOC_SETFLAGS, &v)); SAY(make("fd/new2", "2")); SAY(unlink("fd/in")); v = 0; ioctl(d, FS_IOC_SETFLAGS, &v); ioctl(fd, FS_IOC_SETFLAGS, &v); SAY(unlink("fd/in")); SAY(unlink("fl"));
	int p[2]; pipe(p); SAY(ioctl(p[0], FS_IOC_GETFLAGS, &v)); SAY(ioctl(open("/proc/self/stat", O_RDONLY), FS_IOC_GETFLAGS, &v));
}
void misc_part(void)
{
	aio();
	flags();
	// F_NOTIFY.
	mkdir("dn", 0755);
	int d = open("dn", O_RDONLY);
	signal(SIGIO, on);
	SAY(fcntl(d, F_NOTIFY, DN_CREATE | DN_DELETE));
	make("dn/a", "1"); text("one %d", got); make("dn/b", "1"); text("not again %d", got);
	SAY(fcntl(d, F_NOTIFY, DN_MULTISHOT | DN_RENAME | DN_MODIFY));
	got = 0; rename("dn/a", "dn/c"); text("rename %d", got); got = 0; make("dn/c", "2"); text("modify %d", got > 0);
	SAY(fcntl(d, F_NOTIFY, 0)); got = 0; rename("dn/c", "dn/a"); text("none %d", got);
	SAY(fcntl(open("dn/a", O_RDONLY), F_NOTIFY, DN_MODIFY));
	// /proc/self/mounts.
	int m = open("/proc/self/mounts", O_RDONLY);
	struct pollfd pf = { m, POLLPRI | POLLERR, 0 };
	SAY(poll(&pf, 1, 0)); mkdir("mp", 0755); mount("m", "mp", "tmpfs", 0, ""); SAY(poll(&pf, 1, 0)); text("revents %x", pf.revents); SAY(poll(&pf, 1, 0)); umount("mp"); SAY(poll(&pf, 1, 0));
	// Small things.
	int c = open("created", O_CREAT | O_RDWR, 0644); SAY(fcntl(c, F_CREATED_QUERY)); SAY(fcntl(open("created", O_CREAT | O_RDWR, 0644), F_CREATED_QUERY));
	SAY(syscall(SYS_getcwd, (void *)-1, 4096)); SAY(syscall(SYS_getcwd, NULL, -1L)); SAY(syscall(SYS_getcwd, NULL, 1));
	struct open_how how = { .flags = O_RDWR | O_CREAT, .mode = -1 }; SAY(syscall(SYS_openat2, AT_FDCWD, "created", &how, sizeof how));
	how.mode = 0644; how.resolve = 0x100; SAY(syscall(SYS_openat2, AT_FDCWD, "created", &how, sizeof how));
	SAY(fallocate(c, 1, 0x7ffffffffffffc00, 1024));
	SAY(sync_file_range(c, 0, 0, 7)); SAY(sync_file_range(c, 0, 0, 8)); SAY(sync_file_range(c, -1, 0, 7)); int p[2]; pipe(p); SAY(sync_file_range(p[0], 0, 0, 7));
	int op = open("created", O_PATH); SAY((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, op, 0)); SAY((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | 0x80, c, 0));
	ftruncate(c, 4 * 4096);
	char *a = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, c, 0);
	for (int i = 0; i < 4; i++) a[i * 4096] = '0' + i;
	SAY(remap_file_pages(a, 4096, 0, 3, 0)); text("%c%c%c%c", a[0], a[4096], a[8192], a[12288]); SAY(remap_file_pages(a, 4096, PROT_READ, 1, 0)); SAY(remap_file_pages(a, 0, 0, 1, 0));
	int mf = memfd_create("sealed", MFD_ALLOW_SEALING); ftruncate(mf, 4096); SAY(fcntl(mf, 1033, 8));
	SAY((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mf, 0)); a = mmap(NULL, 4096, PROT_READ, MAP_SHARED, mf, 0); text("read %d", a != MAP_FAILED); SAY(mprotect(a, 4096, PROT_READ | PROT_WRITE)); text("private %d", mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, mf, 0) != MAP_FAILED);
	static char big[200000]; struct iovec v = { big, sizeof big }; fcntl(p[1], F_SETPIPE_SZ, 65536);
	SAY(vmsplice(p[1], &v, 1, 0) > 0); int ef = syscall(SYS_eventfd2, 1, 0), q[2]; pipe(q); SAY(splice(q[0], NULL, ef, NULL, 8, 0)); SAY(splice(ef, NULL, q[1], NULL, 8, 0));
	make("/proc/sys/fs/pipe-max-size", "8192");
	pid_t pid = fork();
	if (pid == 0) { setuid(1000); int z[2]; pipe(z); SAY(fcntl(z[0], F_GETPIPE_SZ)); SAY(fcntl(z[0], F_SETPIPE_SZ, 65536)); exit(0); }
	waitpid(pid, NULL, 0);
	make("/proc/sys/fs/pipe-max-size", "1048576");
	int ep = syscall(SYS_epoll_create1, 0); struct { uint32_t e; uint64_t d; } ev = { 1 }; SAY(syscall(SYS_epoll_ctl, ep, 1, op, &ev));
	char fdp[64]; snprintf(fdp, sizeof fdp, "/proc/self/fd/%d", c); int lk = open(fdp, O_PATH | O_NOFOLLOW); snprintf(fdp, sizeof fdp, "/proc/self/fd/%d", lk); SAY(mount("created", fdp, NULL, MS_BIND, NULL));
	// /proc/self/pagemap: present, shared with a file, alone; the frame number only for root.
	int pm = open("/proc/self/pagemap", O_RDONLY);
	char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pages[0] = 1; pages[8192] = 1;
	uint64_t e[3];
	SAY(pread(pm, e, sizeof e, (long)pages / 4096 * 8));
	for (int i = 0; i < 3; i++) text("page %d: bits %lx frame %d", i, (long)(e[i] >> 55), (e[i] & 0x7fffffffffffffUL) != 0);
	a = mmap(NULL, 4096, PROT_READ, MAP_SHARED, c, 0); char touched = *a;
	pread(pm, e, 8, (long)a / 4096 * 8);
	text("file %lx", (long)(e[0] >> 61));
	SAY(pread(pm, e, 7, 0)); SAY(pread(pm, e, 8, 4)); SAY(pread(pm, e, 8, 0)); text("nothing at 0: %lx", (long)e[0]);
	// Renamed inside the directory or out of it.
	fcntl(d, F_NOTIFY, DN_MULTISHOT | DN_RENAME); got = 0; rename("dn/a", "dn/z"); rename("dn/z", "z"); text("renames heard of %d", got);
}
