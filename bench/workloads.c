/* Small workloads for `npm run bench`, the same file for every peer: static riscv64 for Lintel and QEMU, native for the host.
 * workloads NAME SECONDS: runs NAME repeatedly for about SECONDS after one warm-up pass of half that time, prints "NAME passes seconds". */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static volatile uint64_t sink;

/* Integer mix: xorshift, multiply, data-dependent branches. */
static void w_int(void)
{
	uint64_t x = 88172645463325252ull, acc = 0;
	for (int i = 0; i < 400000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (x & 8)
			acc += x * 2654435761u;
		else
			acc ^= x >> 3;
	}
	sink = acc;
}

static int cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* Sorting through a comparator pointer: calls and loads. */
static void w_sort(void)
{
	static uint32_t v[40000];
	uint32_t x = 1;
	for (int i = 0; i < 40000; i++)
		v[i] = x = x * 1664525u + 1013904223u;
	qsort(v, 40000, sizeof v[0], cmp);
	sink = v[20000];
}

static void w_memcpy(void)
{
	static char a[1 << 20], b[1 << 20];
	for (int i = 0; i < 8; i++) {
		memcpy(b, a, sizeof a);
		a[i]++;
	}
	sink = b[3];
}

/* Dependent loads through a 4 MiB ring. */
static void w_chase(void)
{
	enum { N = 1 << 19 };
	static uint64_t ring[N];
	static int ready;
	if (!ready) {
		for (uint64_t i = 0; i < N; i++)
			ring[i] = (i * 167 + 13) & (N - 1);
		ready = 1;
	}
	uint64_t p = 0;
	for (int i = 0; i < 300000; i++)
		p = ring[p];
	sink = p;
}

static void w_fp(void)
{
	double x = 0.5, y = 0.25, z = 1.0;
	for (int i = 0; i < 200000; i++) {
		double t = x * y + z;
		z = z * 0.999 + t * 0.001;
		x = x + 0.0001 * (y - z);
		y = y * 1.00001 - 0.00001 * t;
	}
	sink = (uint64_t)(x * 1e6 + y * 1e3 + z);
}

/* A switch-threaded byte code loop: indirect jumps. */
static void w_interp(void)
{
	static const unsigned char code[] = { 0, 1, 2, 3, 4, 1, 3, 2, 0, 4, 5 };
	uint64_t a = 1, b = 2;
	for (int n = 0; n < 60000; n++)
		for (unsigned pc = 0;; pc++) {
			switch (code[pc]) {
			case 0: a += b; continue;
			case 1: b ^= a; continue;
			case 2: a = (a << 1) | (a >> 63); continue;
			case 3: b += 7; continue;
			case 4: a -= b >> 2; continue;
			case 5: break;
			}
			break;
		}
	sink = a + b;
}

static void w_getpid(void)
{
	for (int i = 0; i < 20000; i++)
		syscall(SYS_getppid);
}

static void w_pipe(void)
{
	int p[2];
	char c = 1;
	if (pipe(p))
		exit(1);
	for (int i = 0; i < 5000; i++)
		if (write(p[1], &c, 1) != 1 || read(p[0], &c, 1) != 1)
			exit(1);
	close(p[0]);
	close(p[1]);
}

static void w_fault(void)
{
	char *m = mmap(0, 2000 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 2000; i++)
		m[i * 4096] = 1;
	munmap(m, 2000 * 4096);
}

static void w_fork(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t p = fork();
		if (p == 0)
			_exit(0);
		waitpid(p, 0, 0);
	}
}

static char *self;
static void w_forkexec(void)
{
	for (int i = 0; i < 10; i++) {
		pid_t p = fork();
		if (p == 0) {
			execl(self, self, (char *)0);
			_exit(127);
		}
		waitpid(p, 0, 0);
	}
}

static const struct { const char *name; void (*run)(void); } W[] = {
	{ "int", w_int }, { "interp", w_interp }, { "sort", w_sort }, { "memcpy", w_memcpy }, { "chase", w_chase }, { "fp", w_fp },
	{ "getppid", w_getpid }, { "pipe", w_pipe }, { "fault", w_fault }, { "fork", w_fork }, { "forkexec", w_forkexec },
};

int main(int argc, char **argv)
{
	if (argc < 3)
		return 0; /* forkexec's child */
	self = argv[0];
	double secs = atof(argv[2]);
	for (unsigned i = 0; i < sizeof W / sizeof W[0]; i++) {
		if (strcmp(argv[1], W[i].name) != 0)
			continue;
		double t = now();
		while (now() - t < secs / 2)
			W[i].run();
		long passes = 0;
		double start = now(), end;
		do {
			W[i].run();
			passes++;
		} while ((end = now()) - start < secs);
		printf("%s %ld %.6f\n", W[i].name, passes, end - start);
		return 0;
	}
	return 2;
}
