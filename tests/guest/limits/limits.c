/* Many of everything: processes, threads, open files, bytes of a file. `limits WHAT` prints what happened; after its end no memory may be missing. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;
	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] >= '0' && e->d_name[0] <= '9';
	closedir(d);
	return n;
}

static void processes(void)
{
	enum { N = 2000 };
	static pid_t pid[N];
	pid_t me = getpid();
	int before = entries("/proc"), made = 0, reaped = 0, killed = 0, status;
	while (made < N && (pid[made] = fork()) >= 0) {
		if (pid[made] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			while (getppid() == me)
				pause();
			_exit(1);
		}
		made++;
	}
	printf("made %d, %d more in /proc\n", made, entries("/proc") - before);
	for (int i = 0; i < made; i++)
		kill(pid[i], SIGKILL);
	for (pid_t p; (p = wait(&status)) > 0; reaped++)
		killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	printf("reaped %d, killed %d, then %s, %d more in /proc\n", reaped, killed, strerror(errno), entries("/proc") - before);
}

/* RLIMIT_NPROC holds for users without privileges. */
static void nproc(void)
{
	struct rlimit limit = { 20, 20 };
	int made = 0;
	if (setrlimit(RLIMIT_NPROC, &limit) || setresuid(4321, 4321, 4321))
		return perror("setup");
	for (;; made++) {
		pid_t p = fork();
		if (p < 0)
			break;
		if (p == 0)
			for (;;)
				pause();
	}
	printf("%d children, then %s\n", made, strerror(errno));
	kill(-1, SIGKILL);
	while (wait(0) > 0)
		;
	pid_t p = fork();
	if (p == 0)
		_exit(0);
	printf("after their end: %s\n", p > 0 ? "fork works" : strerror(errno));
}

static pthread_barrier_t barrier;
static int total;
static void *body(void *arg)
{
	__atomic_add_fetch(&total, (int)(intptr_t)arg, __ATOMIC_RELAXED);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return arg;
}
static void threads(void)
{
	enum { N = 2000 };
	static pthread_t thread[N];
	pthread_attr_t attr;
	int made = 0, joined = 0;
	pthread_barrier_init(&barrier, 0, N + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	while (made < N && pthread_create(&thread[made], &attr, body, (void *)(intptr_t)made) == 0)
		made++;
	if (made < N)
		return (void)printf("only %d threads\n", made);
	pthread_barrier_wait(&barrier);
	printf("%d tasks, sum %d\n", entries("/proc/self/task"), total);
	pthread_barrier_wait(&barrier);
	for (void *result; joined < N && pthread_join(thread[joined], &result) == 0 && (intptr_t)result == joined; joined++)
		;
	printf("joined %d, %d tasks\n", joined, entries("/proc/self/task"));
}

static void files(void)
{
	struct rlimit limit = { 10003, 20000 };
	int made = 0, last = -1, fd;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return perror("setrlimit");
	for (; (fd = open("/dev/null", O_RDWR)) >= 0; made++)
		last = fd;
	printf("%d opened, the last is %d, then %s, %d in /proc/self/fd\n", made, last, strerror(errno), entries("/proc/self/fd"));
	close(last);
	printf("%d in /proc/self/fd\n", entries("/proc/self/fd")); /* the directory itself takes the free number */
	printf("write %zd, poll-free number %d\n", write(5000, "x", 1), dup(3));
	printf("closed %d, %d left\n", close_range(3, ~0u, 0), entries("/proc/self/fd") - 1);
}

static uint64_t block[8192];
static void bigfile(void)
{
	enum { BLOCKS = 16384 };
	int fd, n = 0, wrong = 0;
	struct stat s;
	mkdir("/big", 0700);
	if (mount("big", "/big", "tmpfs", 0, "size=2g"))
		return perror("mount");
	fd = open("/big/f", O_CREAT | O_RDWR, 0600);
	for (; n < BLOCKS; n++) {
		block[0] = block[8191] = n;
		if (write(fd, block, sizeof block) != sizeof block)
			break;
	}
	fstat(fd, &s);
	printf("%d blocks of 64 KiB, %lld bytes, %lld sectors\n", n, (long long)s.st_size, (long long)s.st_blocks);
	for (int i = n - 1; i >= 0; i -= 7)
		wrong += pread(fd, block, sizeof block, (off_t)i * sizeof block) != sizeof block || block[0] != i || block[8191] != i;
	printf("%d wrong\n", wrong);
	ftruncate(fd, 4096);
	fstat(fd, &s);
	printf("truncated: %lld sectors\n", (long long)s.st_blocks);
	close(fd);
	printf("umount %d\n", umount("/big"));
	rmdir("/big");
}

/* Takes memory until the kernel has none. */
static void eat(void)
{
	for (int n = 0; n < 1 << 20; n++) {
		volatile char *p = malloc(65536);
		if (!p)
			return perror("malloc");
		for (int i = 0; i < 65536; i += 4096)
			p[i] = 1;
	}
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } what[] = {
		{ "processes", processes }, { "nproc", nproc }, { "threads", threads }, { "files", files }, { "bigfile", bigfile },
		{ "eat", eat },
	};
	setvbuf(stdout, 0, _IOLBF, 0);
	for (int a = 1; a < argc; a++)
		for (int i = 0; i < 6; i++)
			if (!strcmp(argv[a], what[i].name))
				what[i].run();
	return 0;
}
