// Record locks, OFD locks, flock, leases, /proc/locks, signals for I/O.
#include "common.h"

#ifndef F_OFD_SETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif
static pid_t self, child;
// Lines of /proc/locks or fdinfo; pids by name, without device and inode.
static void show_locks(const char *path, const char *wanted)
{
	char buf[8192];
	if (slurp(path, buf, sizeof buf) < 0) { say(path, -1); return; }
	for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
		char kind[16], adv[16], type[16], dev[64], from[32], to[32], *l = line, id[32] = "";
		if (wanted && strncmp(line, wanted, strlen(wanted))) continue;
		if (wanted) l += strlen(wanted);
		int at = strcspn(l, " ");
		snprintf(id, sizeof id, "%.*s", at, l);
		l += at;
		const char *arrow = "";
		if (strstr(l, "-> ")) { arrow = "-> "; l = strstr(l, "-> ") + 3; }
		int pid;
		if (sscanf(l, "%15s %15s %15s %d %63s %31s %31s", kind, adv, type, &pid, dev, from, to) != 7) { text("  ? %s", line); continue; }
		text("  %s %s%s %s %s %s %s %s", id, arrow, kind, adv, type, pid == self ? "self" : pid == child ? "child" : pid == -1 ? "-1" : "?", from, to);
	}
}
static int set(int fd, int cmd, int type, long start, long len)
{
	struct flock f = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	return fcntl(fd, cmd, &f);
}
static void get(int fd, int cmd, int type, long start, long len)
{
	struct flock f = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	int r = fcntl(fd, cmd, &f);
	if (r) say("get", r);
	else text("get: type %d whence %d start %ld len %ld pid %s", f.l_type, f.l_whence, (long)f.l_start, (long)f.l_len,
		f.l_pid == self ? "self" : f.l_pid == child ? "child" : f.l_pid == -1 ? "-1" : f.l_pid == 0 ? "0" : "?");
}
static volatile int got, code, sifd;
static void on(int sig, siginfo_t *i, void *u) { got = sig; code = i->si_code; sifd = i->si_fd; }
static void alarm_only(int sig) {}

void locks_part(void)
{
	self = getpid();
	int up[2], down[2];
	char c;
	make("f", "0123456789");
	make("g", "0123456789");
	int fd = open("f", O_RDWR), gd = open("g", O_RDWR);
	SAY(set(fd, F_SETLK, F_WRLCK, 0, 10));
	SAY(set(fd, F_SETLK, F_RDLCK, 20, 10));
	SAY(set(fd, F_SETLK, F_RDLCK, 30, 0));
	SAY(set(fd, F_SETLK, F_UNLCK, 3, 2));
	SAY(flock(gd, LOCK_SH));
	int od = open("g", O_RDWR);
	SAY(set(od, F_OFD_SETLK, F_WRLCK, 5, 5));
	show_locks("/proc/locks", NULL), text("  .");
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	show_locks(path, "lock:\t");
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", gd);
	show_locks(path, "lock:\t");
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", od);
	show_locks(path, "lock:\t");
	get(gd, F_GETLK, F_WRLCK, 0, 0);
	get(gd, F_OFD_GETLK, F_WRLCK, 0, 0);
	get(od, F_OFD_GETLK, F_WRLCK, 0, 0);
	get(fd, F_GETLK, F_WRLCK, 0, 0);
	pipe(up); pipe(down);
	child = fork();
	if (child == 0) {
		child = getpid();
		self = getppid();
		get(fd, F_GETLK, F_WRLCK, 0, 0);
		get(fd, F_GETLK, F_RDLCK, 4, 0);
		SAY(set(fd, F_SETLK, F_WRLCK, 0, 1));
		SAY(set(fd, F_SETLK, F_RDLCK, 20, 1));
		SAY(set(gd, F_SETLK, F_WRLCK, 0, 1));
		write(up[1], "1", 1);
		SAY(set(fd, F_SETLKW, F_WRLCK, 0, 1)); // the parent waits for g now: no circle, it holds f
		set(fd, F_SETLK, F_UNLCK, 0, 0);
		SAY(flock(open("g", O_RDONLY), LOCK_EX | LOCK_NB));
		SAY(flock(gd, LOCK_EX | LOCK_NB));
		write(up[1], "2", 1);
		read(down[0], &c, 1);
		_exit(0);
	}
	read(up[0], &c, 1);
	usleep(30000);
	show_locks("/proc/locks", NULL), text("  .");
	SAY(set(gd, F_SETLKW, F_WRLCK, 0, 1)); // closes the circle over two files
	int unlocked = set(fd, F_SETLK, F_UNLCK, 0, 1);
	read(up[0], &c, 1);
	say("unlock", unlocked);
	show_locks("/proc/locks", NULL), text("  .");
	write(down[1], "x", 1);
	waitpid(child, NULL, 0);
	show_locks("/proc/locks", NULL), text("  .");
	// A signal interrupts the wait.
	child = fork();
	if (child == 0) {
		struct sigaction sa = { .sa_handler = alarm_only };
		sigaction(SIGALRM, &sa, NULL);
		struct itimerval t = { { 0, 0 }, { 0, 20000 } };
		setitimer(ITIMER_REAL, &t, NULL);
		SAY(set(fd, F_SETLKW, F_WRLCK, 20, 1));
		setitimer(ITIMER_REAL, &t, NULL);
		SAY(flock(open("g", O_RDONLY), LOCK_EX));
		_exit(0);
	}
	waitpid(child, NULL, 0);
	show_locks("/proc/locks", NULL), text("  .");
	// Closing any descriptor of the file drops record locks.
	close(open("f", O_RDONLY));
	show_locks("/proc/locks", NULL), text("  .");
	close(od);
	close(gd);
	show_locks("/proc/locks", NULL), text("  .");
	SAY(set(fd, F_SETLK, 7, 0, 1));
	SAY(set(fd, F_SETLK, F_WRLCK, -1, 1));
	SAY(set(open("f", O_RDONLY), F_SETLK, F_WRLCK, 0, 1));
	SAY(set(open("f", O_WRONLY), F_SETLK, F_RDLCK, 0, 1));
	SAY(flock(fd, 16));
	SAY(flock(99, LOCK_EX));

	// Leases.
	struct sigaction sa = { .sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	close(fd);
	for (int i = 3; i < 30; i++) if (i != up[0] && i != down[1]) close(i);
	make("l", "lease");
	fd = open("l", O_RDWR);
	SAY(fcntl(fd, F_GETLEASE));
	SAY(fcntl(fd, F_SETLEASE, F_RDLCK));
	SAY(fcntl(fd, F_SETLEASE, F_WRLCK));
	SAY(fcntl(fd, F_GETLEASE));
	show_locks("/proc/locks", NULL), text("  .");
	SAY(open("l", O_RDONLY | O_NONBLOCK));
	text("signal %d code %x", got == SIGIO, code);
	show_locks("/proc/locks", NULL), text("  .");
	SAY(fcntl(fd, F_GETLEASE));
	SAY(fcntl(fd, F_SETLEASE, F_UNLCK));
	SAY(fcntl(fd, F_SETLEASE, F_UNLCK));
	int rd = open("l", O_RDONLY);
	SAY(fcntl(fd, F_SETLEASE, F_WRLCK));
	SAY(fcntl(rd, F_SETLEASE, F_RDLCK));
	close(fd);
	SAY(fcntl(rd, F_SETLEASE, F_RDLCK));
	SAY(fcntl(rd, F_SETLEASE, 9));
	SAY(fcntl(rd, F_SETSIG, SIGRTMIN));
	SAY(fcntl(rd, F_GETSIG));
	SAY(fcntl(rd, F_SETSIG, 65));
	got = 0;
	child = fork();
	if (child == 0) {
		int w = open("l", O_WRONLY); // waits for the parent
		text("opened %d", w > 0);
		_exit(0);
	}
	while (!got) usleep(1000);
	text("signal %d code %d fd %d", got == SIGRTMIN, code, sifd == rd);
	show_locks("/proc/locks", NULL), text("  .");
	int given = fcntl(rd, F_SETLEASE, F_UNLCK);
	waitpid(child, NULL, 0);
	say("given up", given);
	make("/proc/sys/fs/lease-break-time", "1");
	SAY(fcntl(rd, F_SETLEASE, F_RDLCK));
	SAY(truncate("l", 2)); // nobody gives way: after a second it is broken
	SAY(fcntl(rd, F_GETLEASE));
	make("/proc/sys/fs/lease-break-time", "45");
	mkdir("dir", 0755);
	SAY(fcntl(open("dir", O_RDONLY), F_SETLEASE, F_RDLCK));
	close(rd);

	// Signals for I/O.
	int p[2];
	pipe(p);
	struct f_owner_ex ex = { F_OWNER_PID, getpid() };
	SAY(fcntl(p[0], F_GETOWN));
	SAY(fcntl(p[0], F_SETOWN, 99999));
	SAY(fcntl(p[0], F_SETOWN, -getpgrp()));
	text("owner is the group: %d", fcntl(p[0], F_GETOWN) == -getpgrp());
	SAY(fcntl(p[0], F_GETOWN_EX, &ex));
	text("type %d", ex.type);
	ex.type = 9;
	SAY(fcntl(p[0], F_SETOWN_EX, &ex));
	ex.type = F_OWNER_TID;
	ex.pid = getpid();
	SAY(fcntl(p[0], F_SETOWN_EX, &ex));
	SAY(fcntl(p[0], F_SETFL, O_ASYNC));
	text("flags %x", fcntl(p[0], F_GETFL));
	got = 0;
	write(p[1], "x", 1);
	text("SIGIO %d code %x", got == SIGIO, code);
	read(p[0], &c, 1);
	SAY(fcntl(p[0], F_SETSIG, SIGRTMIN));
	got = 0;
	write(p[1], "x", 1);
	text("SIGRTMIN %d code %x fd %d", got == SIGRTMIN, code, sifd == p[0]);
	SAY(fcntl(p[0], F_SETFL, 0));
	got = 0;
	write(p[1], "x", 1);
	text("none: %d", got);
}
