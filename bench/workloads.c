/* The workloads of `npm run bench`: one file for every peer, static riscv64 for Lintel and QEMU, native for the host.
 *
 *   workloads SECONDS NAME...   each in a child of its own: a warm-up of SECONDS (or $MB_WARM), then timed
 *
 * Around the timed part a line is written at once, so that the host can read its own clocks there:
 *   @@B name
 *   @@W name operations seconds rate unit
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;
static const char *self;
#define KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}
static void fail(const char *what)
{
	perror(what);
	_exit(1);
}
static uint32_t lcg(uint32_t *state)
{
	return *state = *state * 1664525u + 1013904223u;
}

/* ---- computing ---- */

/* What CoreMark does: a linked list sorted and searched, a small integer matrix product, a state machine over text, a CRC of it all. */
struct item { struct item *next; int16_t key, id; };
static uint16_t crc(uint16_t value, uint16_t sum)
{
	sum ^= value;
	for (int i = 0; i < 16; i++)
		sum = sum & 1 ? (sum >> 1) ^ 0xa001 : sum >> 1;
	return sum;
}
static struct item *merge(struct item *a, struct item *b)
{
	struct item head, *tail = &head;
	while (a && b) {
		struct item **least = a->key <= b->key ? &a : &b;
		tail->next = *least;
		tail = *least;
		*least = tail->next;
	}
	tail->next = a ? a : b;
	return head.next;
}
static struct item *sort_list(struct item *list, int n)
{
	if (n < 2)
		return list;
	struct item *left = list, *cut = list;
	for (int i = 1; i < n / 2; i++)
		cut = cut->next;
	list = cut->next;
	cut->next = 0;
	return merge(sort_list(left, n / 2), sort_list(list, n - n / 2));
}
static int number_length(const char *s)
{
	enum { START, SIGN, DIGITS, POINT, FRACTION, EXPONENT, POWER, BAD } state = START;
	int n = 0;
	for (; *s && *s != ' '; s++, n++) {
		int digit = *s >= '0' && *s <= '9';
		switch (state) {
		case START: state = digit ? DIGITS : *s == '-' || *s == '+' ? SIGN : *s == '.' ? POINT : BAD; break;
		case SIGN: state = digit ? DIGITS : *s == '.' ? POINT : BAD; break;
		case DIGITS: state = digit ? DIGITS : *s == '.' ? POINT : *s == 'e' ? EXPONENT : BAD; break;
		case POINT: case FRACTION: state = digit ? FRACTION : *s == 'e' ? EXPONENT : BAD; break;
		case EXPONENT: state = digit || *s == '-' ? POWER : BAD; break;
		case POWER: state = digit ? POWER : BAD; break;
		case BAD: break;
		}
	}
	return state == BAD ? -n : n;
}
static void w_int(long n)
{
	static const char text[] = "5012 1234 -874 +122 35.54400 .1234500 -110.700 +0.64400 5.500e3 -.123e-2 -87e+832 0.6e-12 T0.3e-1F -T.T 1T3.4e4z 34.0e-T ";
	static struct item items[96];
	static int32_t a[14][14], b[14][14], c[14][14];
	for (; n > 0; n--) {
		uint32_t r = n;
		uint16_t sum = 0;
		for (int i = 0; i < 96; i++)
			items[i] = (struct item){ i < 95 ? &items[i + 1] : 0, (int16_t)(lcg(&r) >> 16), (int16_t)i };
		struct item *list = sort_list(items, 96);
		for (struct item *p = list; p; p = p->next)
			if ((p->key & 15) == (n & 15))
				sum = crc(p->id, sum);
		for (int i = 0; i < 14; i++)
			for (int j = 0; j < 14; j++) {
				a[i][j] = (int16_t)(i * j + n);
				b[i][j] = (int16_t)(i - j * n);
			}
		for (int i = 0; i < 14; i++)
			for (int j = 0; j < 14; j++) {
				int32_t s = 0;
				for (int k = 0; k < 14; k++)
					s += a[i][k] * b[k][j];
				c[i][j] = s;
			}
		for (int i = 0; i < 14; i++)
			sum = crc(c[i][(i + n) % 14], sum);
		for (const char *s = text; *s; s = strchr(s, ' ') + 1)
			sum = crc(number_length(s), sum);
		sink += sum;
	}
}

/* A byte code machine with threaded dispatch: indirect jumps, dependent loads, 64-bit arithmetic. */
static void w_interp(long n)
{
	enum { ADD, MUL, XOR, SHIFT, LOAD, STORE, LESS, LOOP, STOP };
	static const uint8_t code[] = { LOAD, 4, 1, ADD, 2, 4, MUL, 3, 2, XOR, 1, 3, SHIFT, 5, 1, STORE, 5, 2, LESS, 6, 5, ADD, 3, 6, LOOP, 0, 0, STOP };
	static uint64_t memory[512];
	static const void *const to[] = { &&add, &&mul, &&xor, &&shift, &&load, &&store, &&less, &&loop, &&stop };
	for (; n > 0; n--) {
		uint64_t r[8] = { 120, 2, 3, 5, 7, 11, 13, 17 };
		const uint8_t *pc = code;
#define GO goto *to[*pc]
		GO;
	add: r[pc[1]] += r[pc[2]]; pc += 3; GO;
	mul: r[pc[1]] = r[pc[1]] * r[pc[2]] + 0x2545f4914f6cdd1dull; pc += 3; GO;
	xor: r[pc[1]] ^= r[pc[2]]; pc += 3; GO;
	shift: r[pc[1]] = r[pc[2]] >> 7; pc += 3; GO;
	load: r[pc[1]] = memory[r[pc[2]] % 512]; pc += 3; GO;
	store: memory[r[pc[1]] % 512] = r[pc[2]]; pc += 3; GO;
	less: r[pc[1]] = r[pc[1]] < r[pc[2]]; pc += 3; GO;
	loop: pc = --r[0] ? code : pc + 3; GO;
	stop: sink += r[3];
	}
}

static int by_value(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;
	return (x > y) - (x < y);
}
static void w_sort(long n)
{
	static int v[5000];
	for (; n > 0; n--) {
		uint32_t r = n;
		for (int i = 0; i < 5000; i++)
			v[i] = lcg(&r) >> 1;
		qsort(v, 5000, sizeof v[0], by_value);
		sink += v[9];
	}
}

static uint8_t *from, *into;
static void s_buffers(void)
{
	from = malloc(4 << 20);
	into = malloc(4 << 20);
	if (!from || !into)
		fail("malloc");
	memset(from, 3, 4 << 20);
	memset(into, 5, 4 << 20);
}
static void w_memcpy(long n)
{
	for (; n > 0; n--) {
		memcpy(into, from, 1 << 20);
		KEEP(into);
	}
}
static void w_wordcopy(long n)
{
	for (; n > 0; n--) {
		uint64_t *d = (uint64_t *)into, *s = (uint64_t *)from;
		for (long i = 0; i < (1 << 20) / 8; i++) {
			d[i] = s[i] ^ 0x55;
			KEEP(d);
		}
	}
}
/* Each load's address comes from the load before, all over 4 MiB. */
static void s_chase(void)
{
	s_buffers();
	uint32_t *next = (uint32_t *)from, r = 99;
	for (uint32_t i = 0; i < 1 << 20; i++)
		next[i] = i;
	for (uint32_t i = (1 << 20) - 1; i > 0; i--) { /* Sattolo: one cycle */
		uint32_t j = (uint64_t)lcg(&r) * i >> 32, t = next[i];
		next[i] = next[j];
		next[j] = t;
	}
}
static void w_chase(long n)
{
	static uint32_t at;
	const uint32_t *next = (const uint32_t *)from;
	for (; n > 0; n--)
		at = next[at];
	sink = at;
}

/* Planets: multiply-adds, square roots, divisions in double precision. */
static struct { double x[3], v[3], m; } body[6];
static void s_fp(void)
{
	for (int i = 0; i < 6; i++) {
		body[i].m = 1 + 0.5 * i;
		for (int k = 0; k < 3; k++) {
			body[i].x[k] = (5 * i + 3 * k) % 7 + 0.125 * i;
			body[i].v[k] = 0.02 * (i - k);
		}
	}
}
static void w_fp(long n)
{
	for (; n > 0; n--) {
		for (int i = 0; i < 6; i++)
			for (int j = 0; j < i; j++) {
				double d[3], square = 0.05;
				for (int k = 0; k < 3; k++) {
					d[k] = body[i].x[k] - body[j].x[k];
					square += d[k] * d[k];
				}
				double f = 1e-4 / (square * sqrt(square));
				for (int k = 0; k < 3; k++) {
					body[i].v[k] -= d[k] * f * body[j].m;
					body[j].v[k] += d[k] * f * body[i].m;
				}
			}
		for (int i = 0; i < 6; i++)
			for (int k = 0; k < 3; k++)
				body[i].x[k] += 1e-4 * body[i].v[k];
	}
	sink += (uint64_t)(body[0].x[0] * 1e6);
}

/* ---- system calls ---- */
static void w_getpid(long n)
{
	for (; n > 0; n--)
		syscall(SYS_getpid);
}
static int ends[2];
static void s_pipe1(void)
{
	if (pipe(ends))
		fail("pipe");
}
static void w_pipe1(long n)
{
	char c = 0;
	for (; n > 0; n--)
		if (write(ends[1], &c, 1) != 1 || read(ends[0], &c, 1) != 1)
			fail("pipe");
}
static void w_openclose(long n)
{
	for (; n > 0; n--) {
		int fd = open("/dev/null", O_RDONLY);
		if (fd < 0)
			fail("open");
		close(fd);
	}
}
static void w_stat(long n)
{
	struct stat s;
	for (; n > 0; n--)
		if (stat("/proc/self", &s))
			fail("stat");
}
static void handler(int s)
{
	(void)s;
}
static void s_signal(void)
{
	signal(SIGUSR1, handler);
}
static void w_signal(long n)
{
	pid_t me = getpid();
	for (; n > 0; n--)
		kill(me, SIGUSR1);
}
static void w_yield(long n)
{
	for (; n > 0; n--)
		sched_yield();
}

/* ---- processes and memory ---- */
static void w_fork(long n)
{
	for (; n > 0; n--) {
		pid_t p = fork();
		if (p == 0)
			_exit(0);
		if (p < 0 || waitpid(p, 0, 0) != p)
			fail("fork");
	}
}
static void w_forkexec(long n)
{
	char *argv[] = { (char *)self, 0 }, *envp[] = { 0 };
	for (; n > 0; n--) {
		int status;
		pid_t p = fork();
		if (p == 0) {
			execve(self, argv, envp);
			_exit(127);
		}
		if (p < 0 || waitpid(p, &status, 0) != p || status != 0)
			fail("forkexec");
	}
}
static void *nothing(void *p)
{
	return p;
}
static void w_thread(long n)
{
	for (; n > 0; n--) {
		pthread_t t;
		if (pthread_create(&t, 0, nothing, 0) || pthread_join(t, 0))
			fail("thread");
	}
}
static void w_fault(long n)
{
	for (; n > 0; n -= 512) {
		volatile char *p = mmap(0, 512 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			fail("mmap");
		madvise((void *)p, 512 * 4096, MADV_NOHUGEPAGE);
		for (int i = 0; i < 512; i++)
			p[i * 4096] = 1;
		munmap((void *)p, 512 * 4096);
	}
}
static char *shared_pages;
static void s_cow(void)
{
	shared_pages = mmap(0, 256 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (shared_pages == MAP_FAILED)
		fail("mmap");
	madvise(shared_pages, 256 * 4096, MADV_NOHUGEPAGE);
	memset(shared_pages, 1, 256 * 4096);
}
static void w_cow(long n)
{
	for (; n > 0; n -= 256) {
		pid_t p = fork();
		if (p == 0) {
			for (int i = 0; i < 256; i++)
				((volatile char *)shared_pages)[i * 4096] = 2;
			_exit(0);
		}
		if (p < 0 || waitpid(p, 0, 0) != p)
			fail("cow");
	}
}
static void w_mmap(long n)
{
	for (; n > 0; n--) {
		void *p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || munmap(p, 65536))
			fail("mmap");
	}
}

/* ---- two that talk, and files ---- */

/* Runs `partner` as a process of its own; it ends with the workload's. */
static void start(void (*partner)(void))
{
	pid_t parent = getpid(), p = fork();
	if (p < 0)
		fail("fork");
	if (p == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			partner();
		_exit(0);
	}
}
static int there[2], back[2];
static void echo_pipe(void)
{
	char c;
	while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
		;
}
static void s_pingpong(void)
{
	if (pipe(there) || pipe(back))
		fail("pipe");
	start(echo_pipe);
}
static void w_pingpong(long n)
{
	char c = 0;
	for (; n > 0; n--)
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			fail("pingpong");
}
static int sockets[2], waiter;
static void echo_socket(void)
{
	char text[128];
	ssize_t got;
	while ((got = read(sockets[1], text, sizeof text)) > 0 && write(sockets[1], text, got) == got)
		;
}
static void s_unixepoll(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) || (waiter = epoll_create1(0)) < 0 ||
	    epoll_ctl(waiter, EPOLL_CTL_ADD, sockets[0], &e))
		fail("unixepoll");
	start(echo_socket);
}
static void w_unixepoll(long n)
{
	char text[128] = { 0 };
	struct epoll_event e;
	for (; n > 0; n--)
		if (write(sockets[0], text, 100) != 100 || epoll_wait(waiter, &e, 1, -1) != 1 || read(sockets[0], text, sizeof text) != 100)
			fail("unixepoll");
}
static int32_t *turn;
static void take_turns(int32_t mine, long n)
{
	for (; n != 0; n--) {
		int32_t now;
		while ((now = __atomic_load_n(turn, __ATOMIC_ACQUIRE)) != mine)
			syscall(SYS_futex, turn, FUTEX_WAIT, now, 0, 0, 0);
		__atomic_store_n(turn, !mine, __ATOMIC_RELEASE);
		syscall(SYS_futex, turn, FUTEX_WAKE, 1, 0, 0, 0);
	}
}
static void other_turn(void)
{
	take_turns(1, -1);
}
static void s_futex(void)
{
	turn = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (turn == MAP_FAILED)
		fail("mmap");
	start(other_turn);
}
static void w_futex(long n)
{
	take_turns(0, n);
}
enum { FILE_BYTES = 64 * 1024 };
static char block[FILE_BYTES];
static void s_tmpfs(void)
{
	mkdir("/tmp", 0777);
	if (chdir("/tmp"))
		fail("/tmp");
	memset(block, 'x', sizeof block);
}
static void w_tmpfs(long n)
{
	char name[32];
	snprintf(name, sizeof name, "bench.%d", getpid());
	for (; n > 0; n--) {
		int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0600);
		if (fd < 0 || write(fd, block, 4096) != 4096 || lseek(fd, 0, SEEK_SET) || read(fd, block, 4096) != 4096 || close(fd) ||
		    unlink(name))
			fail("tmpfs");
	}
}
static int source;
static void s_fread(void)
{
	char name[32];
	s_tmpfs();
	snprintf(name, sizeof name, "bench.%d", getpid());
	source = open(name, O_CREAT | O_TRUNC | O_RDWR, 0600);
	if (source < 0 || write(source, block, FILE_BYTES) != FILE_BYTES || unlink(name))
		fail("fread");
}
static void w_fread(long n)
{
	for (; n > 0; n--)
		if (pread(source, block, FILE_BYTES, 0) != FILE_BYTES)
			fail("fread");
}

/* What hackbench does: in a group, every sender writes 100-byte messages to every receiver through its socket pair. */
enum { PAIRS = 10, MESSAGES = 20 };
static void w_hackbench(long n)
{
	for (; n > 0; n--) {
		int ends[PAIRS][2];
		char text[100] = { 0 };
		for (int i = 0; i < PAIRS; i++)
			if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]))
				fail("socketpair");
		for (int i = 0; i < 2 * PAIRS; i++) {
			pid_t p = fork();
			if (p < 0)
				fail("fork");
			if (p > 0)
				continue;
			if (i < PAIRS) { /* a receiver */
				size_t want = PAIRS * MESSAGES * sizeof text;
				for (ssize_t got; want > 0; want -= got)
					if ((got = read(ends[i][0], text, want < sizeof text ? want : sizeof text)) <= 0)
						fail("read");
			} else
				for (int m = 0; m < MESSAGES; m++)
					for (int to = 0; to < PAIRS; to++)
						if (write(ends[to][1], text, sizeof text) != sizeof text)
							fail("write");
			_exit(0);
		}
		for (int i = 0; i < 2 * PAIRS; i++) {
			int status;
			if (wait(&status) < 0 || status != 0)
				fail("hackbench");
		}
		for (int i = 0; i < PAIRS; i++) {
			close(ends[i][0]);
			close(ends[i][1]);
		}
	}
}

struct workload {
	const char *name;
	void (*run)(long n), (*setup)(void);
	long least; /* the smallest batch; some workloads want multiples of it */
	const char *unit;
};
static const struct workload W[] = {
	{ "int", w_int, 0, 4, "round" },
	{ "interp", w_interp, 0, 16, "round" },
	{ "sort", w_sort, 0, 1, "sort" },
	{ "memcpy", w_memcpy, s_buffers, 1, "MiB" },
	{ "wordcopy", w_wordcopy, s_buffers, 1, "MiB" },
	{ "chase", w_chase, s_chase, 4096, "load" },
	{ "fp", w_fp, s_fp, 64, "step" },
	{ "getpid", w_getpid, 0, 256, "call" },
	{ "pipe1", w_pipe1, s_pipe1, 64, "write and read" },
	{ "openclose", w_openclose, 0, 64, "open and close" },
	{ "stat", w_stat, 0, 64, "call" },
	{ "signal", w_signal, s_signal, 64, "kill and handler" },
	{ "yield", w_yield, 0, 64, "call" },
	{ "fork", w_fork, 0, 1, "process" },
	{ "forkexec", w_forkexec, 0, 1, "process" },
	{ "thread", w_thread, 0, 1, "thread" },
	{ "fault", w_fault, 0, 512, "page" },
	{ "cow", w_cow, s_cow, 256, "page" },
	{ "mmap", w_mmap, 0, 16, "map and unmap" },
	{ "pingpong", w_pingpong, s_pingpong, 16, "round trip" },
	{ "unixepoll", w_unixepoll, s_unixepoll, 16, "round trip" },
	{ "futex", w_futex, s_futex, 16, "round trip" },
	{ "tmpfs", w_tmpfs, s_tmpfs, 16, "file" },
	{ "fread", w_fread, s_fread, 16, "64 KiB" },
	{ "hackbench", w_hackbench, 0, 1, "group" },
};
enum { COUNT = sizeof W / sizeof W[0] };

/* Batches that grow until one takes a fair part of the time. */
static double run_for(const struct workload *w, double seconds, double *spent)
{
	double operations = 0, start = now(), before, after = start;
	long batch = w->least;
	do {
		before = after;
		w->run(batch);
		operations += batch;
		after = now();
		if (after - before < seconds / 25 && batch < 1L << 28)
			batch *= 2;
	} while (after - start < seconds);
	*spent = after - start;
	return operations;
}
static void line(const char *s)
{
	if (write(1, s, strlen(s)) < 0)
		_exit(1);
}
static void child(const struct workload *w, double seconds)
{
	const char *warm = getenv("MB_WARM");
	char text[200];
	double spent, warming = warm ? atof(warm) : seconds;
	if (w->setup)
		w->setup();
	if (warming > 0)
		run_for(w, warming, &spent);
	snprintf(text, sizeof text, "@@B %s\n", w->name);
	line(text);
	double operations = run_for(w, seconds, &spent);
	snprintf(text, sizeof text, "@@W %s %.0f %.6f %.3f %s\n", w->name, operations, spent, operations / spent, w->unit);
	line(text);
	usleep(20000); /* let the host read the clocks of this process before it ends */
	_exit(0);
}

int main(int argc, char **argv)
{
	static char path[4096];
	if (argc < 3)
		return 0; /* forkexec's child */
	if (getpid() == 1)
		mount("proc", "/proc", "proc", 0, 0);
	self = readlink("/proc/self/exe", path, sizeof path - 1) > 0 ? path : argv[0];
	for (int a = 2; a < argc; a++)
		for (int i = 0; i < COUNT; i++) {
			if (strcmp(argv[a], W[i].name) != 0 && strcmp(argv[a], "all") != 0)
				continue;
			int status = 0;
			pid_t p = fork();
			if (p == 0)
				child(&W[i], atof(argv[1]));
			if (p < 0 || waitpid(p, &status, 0) != p)
				fail("fork");
			if (status != 0) {
				char text[100];
				snprintf(text, sizeof text, "@@F %s status=%#x\n", W[i].name, status);
				line(text);
			}
		}
	return 0;
}
