// SPDX-License-Identifier: Apache-2.0
// Built for the suite as touch.prog (record.mjs). J7-9.23 (M68): maps 160 MB, touches 1000 pages of it, and says how VmSize, VmRSS and minor faults grew, in pages.
typedef unsigned long u64;
typedef long s64;

static s64 sys(s64 n, s64 a, s64 b, s64 c, s64 d, s64 e, s64 f)
{
	register s64 a7 asm("a7") = n, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3") = d, a4 asm("a4") = e, a5 asm("a5") = f;

	asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
	return a0;
}
enum { OPENAT = 56, CLOSE = 57, READ = 63, WRITE = 64, EXIT = 93, MMAP = 222 };
static char text[4096];

/* Number `n` of the words of a file of /proc/self, or of what follows `key`. */
static u64 value(const char *path, const char *key, int n)
{
	int fd = sys(OPENAT, -100, (s64)path, 0, 0, 0, 0);
	s64 len = sys(READ, fd, (s64)text, sizeof(text) - 1, 0, 0, 0);
	const char *p = text;

	sys(CLOSE, fd, 0, 0, 0, 0, 0);
	if (len < 0)
		sys(EXIT, 9, 0, 0, 0, 0, 0);
	text[len] = 0;
	while (key && *p) {
		const char *a = p, *k = key;

		while (*k && *a == *k)
			a++, k++;
		if (!*k) {
			p = a;
			break;
		}
		p++;
	}
	while (n-- > 0)
		while (*p && *p++ != ' ')
			;
	while (*p == ' ' || *p == '\t')
		p++;
	u64 v = 0;
	while (*p >= '0' && *p <= '9')
		v = v * 10 + *p++ - '0';
	return v;
}
static void say(const char *what, u64 n)
{
	char line[80], digits[24];
	int at = 0, d = 0;

	while (*what)
		line[at++] = *what++;
	do
		digits[d++] = '0' + n % 10;
	while ((n /= 10) > 0);
	while (d > 0)
		line[at++] = digits[--d];
	line[at++] = '\n';
	sys(WRITE, 1, (s64)line, at, 0, 0, 0);
}
struct state {
	u64 size, rss, faults, majors;
};
static struct state now(void)
{
	struct state s;

	s.faults = value("/proc/self/stat", 0, 9);
	s.majors = value("/proc/self/stat", 0, 11);
	s.size = value("/proc/self/status", "VmSize:", 0) / 4;
	s.rss = value("/proc/self/status", "VmRSS:", 0) / 4;
	return s;
}
void _start(void)
{
	now(); /* everything that this program touches is there */
	struct state before = now();
	char *p = (char *)sys(MMAP, 0, 160l << 20, 3, 0x22, -1, 0);
	sys(233, (s64)p, 160l << 20, 15, 0, 0, 0); /* madvise, MADV_NOHUGEPAGE */
	struct state mapped = now();

	for (int i = 0; i < 1000; i++)
		p[(u64)i * 37 * 4096 + 5] = 1;
	struct state touched = now();

	say("mapped: size +", mapped.size - before.size);
	say("mapped: resident +", mapped.rss - before.rss);
	say("touched: size +", touched.size - mapped.size);
	say("touched: resident +", touched.rss - mapped.rss);
	say("touched: minor faults, thousands +", (touched.faults - mapped.faults) / 1000);
	say("touched: major faults +", touched.majors - mapped.majors);
	sys(EXIT, 0, 0, 0, 0, 0, 0);
}
