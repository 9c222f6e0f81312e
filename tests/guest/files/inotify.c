// inotify(7): every event, merging, one-shot, limits, fdinfo.
#include "common.h"

static int ifd;
static const struct { unsigned bit; const char *name; } bits[] = {
	{ IN_ACCESS, "ACCESS" }, { IN_MODIFY, "MODIFY" }, { IN_ATTRIB, "ATTRIB" }, { IN_CLOSE_WRITE, "CLOSE_WRITE" },
	{ IN_CLOSE_NOWRITE, "CLOSE_NOWRITE" }, { IN_OPEN, "OPEN" }, { IN_MOVED_FROM, "MOVED_FROM" }, { IN_MOVED_TO, "MOVED_TO" },
	{ IN_CREATE, "CREATE" }, { IN_DELETE, "DELETE" }, { IN_DELETE_SELF, "DELETE_SELF" }, { IN_MOVE_SELF, "MOVE_SELF" },
	{ IN_UNMOUNT, "UNMOUNT" }, { IN_Q_OVERFLOW, "Q_OVERFLOW" }, { IN_IGNORED, "IGNORED" }, { IN_ISDIR, "ISDIR" },
};
static unsigned first_cookie;
static void drain(const char *why)
{
	static char buf[65536] __attribute__((aligned(8)));
	int waiting = -1;
	ioctl(ifd, FIONREAD, &waiting);
	long n = read(ifd, buf, sizeof buf);
	text("%s: %ld bytes, FIONREAD %d", why, n, waiting);
	for (char *p = buf; n > 0 && p < buf + n;) {
		struct inotify_event *e = (void *)p;
		printf("  wd %d", e->wd);
		for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) if (e->mask & bits[i].bit) printf(" %s", bits[i].name);
		if (e->cookie && !first_cookie) first_cookie = e->cookie;
		if (e->cookie) printf(" cookie+%u", e->cookie - first_cookie);
		if (e->len) printf(" len %u '%s'", e->len, e->name);
		putchar('\n');
		p += sizeof *e + e->len;
	}
}
static void masked_fdinfo(void)
{
	char path[64], buf[4096];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", ifd);
	if (slurp(path, buf, sizeof buf) < 0) { say("fdinfo", -1); return; }
	for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
		if (strncmp(line, "inotify", 7)) continue;
		// The inode, device and generation differ; the shape does not.
		char *h = strstr(line, "f_handle:");
		int digits = h ? (int)strlen(h + 9) : -1;
		if (h) h[9] = 0;
		char *ino = strstr(line, "ino:"), *mask = strstr(line, "mask:");
		*ino = 0;
		text("  %sino sdev %s %d digits", line, mask, digits);
	}
}
static void raw_close_range(const char *path)
{
	int fd = open(path, O_RDONLY);
	close(fd);
}
void inotify_part(void)
{
	char c[64];
	ifd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	text("init: %d, flags %x, cloexec %d", ifd > 0, fcntl(ifd, F_GETFL) & ~O_LARGEFILE, fcntl(ifd, F_GETFD));
	mkdir("d", 0755);
	mkdir("e", 0755);
	SAY(inotify_add_watch(ifd, "d", IN_ALL_EVENTS));
	SAY(inotify_add_watch(ifd, "e", IN_ALL_EVENTS));
	drain("nothing yet");
	int fd = open("d/f", O_RDWR | O_CREAT, 0644);
	drain("open O_CREAT");
	SAY(write(fd, "hello", 5));
	SAY(write(fd, "again", 5));
	drain("two writes, merged");
	pread(fd, c, 3, 0);
	pwrite(fd, "x", 1, 0);
	pread(fd, c, 3, 0);
	drain("pread pwrite pread");
	SAY(ftruncate(fd, 2));
	SAY(fchmod(fd, 0600));
	SAY(fchown(fd, 1, 1));
	SAY(fallocate(fd, 0, 0, 100));
	SAY(fsetxattr(fd, "user.a", "v", 1, 0));
	SAY(fremovexattr(fd, "user.a"));
	drain("truncate chmod chown fallocate xattrs");
	struct timespec both[2] = { { 5, 0 }, { 6, 0 } }, a[2] = { { 5, 0 }, { 0, UTIME_OMIT } }, m[2] = { { 0, UTIME_OMIT }, { 6, 0 } };
	futimens(fd, both);
	futimens(fd, a);
	futimens(fd, m);
	drain("times: both, access, modification");
	close(fd);
	raw_close_range("d/f");
	drain("closes");
	SAY(inotify_add_watch(ifd, "d/f", IN_ALL_EVENTS));
	SAY(rename("d/f", "e/g"));
	drain("rename to another directory");
	SAY(link("e/g", "d/h"));
	drain("link");
	SAY(unlink("e/g"));
	drain("unlink one of two");
	fd = open("d/h", O_RDONLY);
	SAY(unlink("d/h"));
	drain("unlink the last, still open");
	close(fd);
	drain("closed");
	SAY(mkdir("d/sub", 0755));
	SAY(inotify_add_watch(ifd, "d/sub", IN_ALL_EVENTS | IN_ONLYDIR));
	SAY(rename("d/sub", "d/sub2"));
	drain("mkdir and rename of a directory");
	SAY(symlink("nowhere", "d/sl"));
	SAY(mknod("d/fifo", S_IFIFO | 0644, 0));
	SAY(rmdir("d/sub2"));
	drain("symlink, fifo, rmdir");
	make("d/a", "1");
	make("d/b", "2");
	drain("two files");
	SAY(inotify_add_watch(ifd, "d/b", IN_ALL_EVENTS));
	SAY(rename("d/a", "d/b"));
	drain("rename over a watched file");
	make("d/a", "1");
	drain("made again");
	SAY(syscall(SYS_renameat2, AT_FDCWD, "d/a", AT_FDCWD, "d/b", 2));
	drain("exchange");
	DIR *dir = opendir("d");
	while (readdir(dir)) ;
	closedir(dir);
	drain("read the directory");
	// Exclusive unlink, one shot, mask changes.
	make("e/x", "1");
	drain("a file in e");
	SAY(inotify_add_watch(ifd, "e", IN_ALL_EVENTS | IN_EXCL_UNLINK));
	fd = open("e/x", O_RDWR);
	unlink("e/x");
	drain("opened and unlinked");
	write(fd, "y", 1);
	close(fd);
	drain("write and close unlinked, excluded");
	SAY(inotify_add_watch(ifd, "e", IN_CREATE | IN_ONESHOT));
	make("e/y", "1");
	make("e/z", "1");
	drain("one shot");
	SAY(inotify_add_watch(ifd, "d/b", IN_OPEN));
	SAY(inotify_add_watch(ifd, "d/b", IN_MODIFY | IN_MASK_ADD));
	SAY(inotify_add_watch(ifd, "d/b", IN_MODIFY | IN_MASK_CREATE));
	make("d/b", "new");
	drain("mask added");
	masked_fdinfo();
	SAY(inotify_rm_watch(ifd, 1));
	SAY(inotify_rm_watch(ifd, 1));
	drain("removed");
	// Errors.
	SAY(inotify_init1(1));
	SAY(inotify_add_watch(ifd, "none", IN_OPEN));
	SAY(inotify_add_watch(ifd, "d/b", 0));
	SAY(inotify_add_watch(ifd, "d/b", IN_OPEN | IN_ONLYDIR));
	SAY(inotify_add_watch(ifd, "d/b", 0x10000));
	SAY(inotify_add_watch(ifd, "d/b", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
	SAY(inotify_add_watch(0, "d/b", IN_OPEN));
	SAY(inotify_add_watch(99, "d/b", IN_OPEN));
	SAY(inotify_add_watch(ifd, "d/sl", IN_OPEN));
	SAY(inotify_add_watch(ifd, "d/sl", IN_OPEN | IN_DONT_FOLLOW));
	SAY(inotify_rm_watch(99, 1));
	SAY(inotify_rm_watch(0, 1));
	make("d/b", "newer");
	SAY(read(ifd, c, 3));
	struct pollfd p = { ifd, POLLIN, 0 };
	SAY(poll(&p, 1, 0));
	text("revents %x", p.revents);
	drain("rest");
	SAY(poll(&p, 1, 0));
	SAY(lseek(ifd, 5, SEEK_SET));
	// Unmounting tells.
	mkdir("m", 0755);
	SAY(mount("m", "m", "tmpfs", 0, ""));
	SAY(inotify_add_watch(ifd, "m", IN_ALL_EVENTS));
	make("m/q", "1");
	SAY(inotify_add_watch(ifd, "m/q", IN_OPEN));
	drain("mounted");
	SAY(umount("m"));
	drain("unmounted");
	// Overflow.
	close(ifd);
	make("/proc/sys/fs/inotify/max_queued_events", "4");
	ifd = inotify_init1(IN_NONBLOCK);
	make("/proc/sys/fs/inotify/max_queued_events", "16384");
	SAY(inotify_add_watch(ifd, "d", IN_CREATE | IN_DELETE));
	for (int i = 0; i < 4; i++) { make("d/o", "1"); unlink("d/o"); }
	drain("overflow");
	make("d/o", "1");
	drain("after it");
	// A blocked reader wakes.
	int flags = fcntl(ifd, F_GETFL);
	fcntl(ifd, F_SETFL, flags & ~O_NONBLOCK);
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		make("d/late", "1");
		_exit(0);
	}
	drain("blocked");
	waitpid(pid, NULL, 0);
	fcntl(ifd, F_SETFL, flags);
	// exec of a watched program is an open.
	int n = 0, made[200];
	while (n < 200 && (made[n] = inotify_init1(0)) >= 0) n++;
	text("%d more instances, then %s", n, strerrorname_np(errno));
	while (n > 0) close(made[--n]);
	make("/proc/sys/fs/inotify/max_user_watches", "1");
	SAY(inotify_add_watch(ifd, "e", IN_CREATE));
	make("/proc/sys/fs/inotify/max_user_watches", "8192");
	SAY(inotify_add_watch(ifd, "e", IN_CREATE));
	close(ifd);
}
