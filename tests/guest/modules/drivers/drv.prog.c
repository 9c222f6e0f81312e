// Built for the suite as drv.prog (record.mjs).
// drv FILE STEP...: does system calls on a file one after the other and says what each returned. Without a C library.
//   open:FLAGS close read:N write:TEXT pread:N:OFFSET pwrite:TEXT:OFFSET lseek:OFFSET:WHENCE ioctl:CMD:ARG ioctlp:CMD:VALUE:VALUE
//   readv:N:N writev:TEXT:TEXT badread:N badwrite:N edgeread:N edgewrite:N poll:EVENTS:MS epoll:EVENTS:MS fsync dup fork nonblock mmap:N:SHARED sleep:MS
//   map:N:SHARED:PAGE:PROT (stays; the steps after it use it) peek:AT poke:AT:TEXT kwrite:AT:N (into a pipe and back) kread:AT:TEXT munmap:AT:N mprotect:AT:N:PROT
//   maps own async:ON sig:SIGNAL signals
typedef unsigned long u64;
typedef long s64;

static s64 sys(s64 n, s64 a, s64 b, s64 c, s64 d, s64 e, s64 f)
{
	register s64 a7 asm("a7") = n, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3") = d, a4 asm("a4") = e, a5 asm("a5") = f;

	asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
	return a0;
}
#define SYS(n, ...) SYS_(n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYS_(n, a, b, c, d, e, f, ...) sys(n, (s64)(a), (s64)(b), (s64)(c), (s64)(d), (s64)(e), (s64)(f))
enum { DUP = 23, FCNTL = 25, IOCTL = 29, OPENAT = 56, CLOSE = 57, LSEEK = 62, READ = 63, WRITE = 64, READV = 65, WRITEV = 66, PREAD = 67, PWRITE = 68,
       PPOLL = 73, FSYNC = 82, EXIT = 94, NANOSLEEP = 101, CLONE = 220, WAIT4 = 260, MMAP = 222, MUNMAP = 215, EPOLL_CREATE = 20, EPOLL_CTL = 21, EPOLL_WAIT = 22, PIPE2 = 59, SIGACTION = 134, GETPID = 172,
       MPROTECT = 226 };

static char out[4096];
static int at;
static void flush(void)
{
	SYS(WRITE, 1, out, at);
	at = 0;
}
static void put(char c)
{
	out[at++] = c;
	if (at == sizeof(out))
		flush();
}
static void puts_(const char *s)
{
	while (*s)
		put(*s++);
}
static void number(s64 n)
{
	char digits[24];
	int i = 0;
	u64 v = n < 0 ? -(u64)n : (u64)n;

	if (n < 0)
		put('-');
	do
		digits[i++] = '0' + v % 10;
	while (v /= 10);
	while (i)
		put(digits[--i]);
}
static int len(const char *s)
{
	int n = 0;

	while (s[n])
		n++;
	return n;
}
static char *arg[5];
static char word[256];
static void split(const char *step)
{
	int i = 0, n = 0;

	for (n = 0; n < 5; n++)
		arg[n] = "";
	n = 0;
	arg[n++] = word;
	for (; *step && i < 255; step++) {
		if (*step == ':' && n < 5) {
			word[i++] = 0;
			arg[n++] = word + i;
		} else
			word[i++] = *step;
	}
	word[i] = 0;
}
static s64 num(const char *s)
{
	s64 v = 0;
	int neg = *s == '-', base = 10;

	s += neg;
	if (s[0] == '0' && s[1] == 'x') {
		base = 16;
		s += 2;
	}
	for (; *s; s++)
		v = v * base + (*s <= '9' ? *s - '0' : (*s | 32) - 'a' + 10);
	return neg ? -v : v;
}
static int is(const char *s)
{
	const char *t = arg[0];

	while (*s && *s == *t)
		s++, t++;
	return *s == *t;
}
static char buf[8192];
static void contents(const char *p, s64 n)
{
	puts_(" \"");
	for (s64 i = 0; i < n && i < 80; i++) {
		if (p[i] >= ' ' && p[i] <= '~')
			put(p[i]);
		else if (p[i] == 0)
			put('.');
		else
			puts_("\\?");
	}
	put('"');
}
struct iovec {
	void *base;
	u64 len;
};
struct pollfd {
	int fd;
	short events, revents;
};

static char *map;
static volatile int faulted, io_count, io_signo, io_code, io_fd;
static volatile long io_band;
/* siginfo: signo 0, code 8, band 16, fd 24. ucontext: pc at 176. */
static void on_signal(int signo, char *info, char *context)
{
	if (signo == 7 || signo == 11) {
		faulted = signo;
		*(u64 *)(context + 176) += 4;
		return;
	}
	io_count++;
	io_signo = signo;
	io_code = *(int *)(info + 8);
	io_band = *(long *)(info + 16);
	io_fd = *(int *)(info + 24);
}
static void handle(int signo)
{
	u64 action[3] = { (u64)on_signal, 4, 0 };

	SYS(SIGACTION, signo, action, 0, 8);
}
static int load(const char *p)
{
	int c;

	asm volatile(".option push\n.option norvc\nlbu %0, 0(%1)\n.option pop" : "=r"(c) : "r"(p) : "memory");
	return c & 255;
}
static void store(char *p, int c)
{
	asm volatile(".option push\n.option norvc\nsb %0, 0(%1)\n.option pop" : : "r"(c), "r"(p) : "memory");
}
/* Permissions and offset of the mapping, from /proc/self/maps. */
static void maps(void)
{
	static char text[16384];
	int fd = SYS(OPENAT, -100, "/proc/self/maps", 0, 0), n = 0, r;

	while ((r = SYS(READ, fd, text + n, sizeof(text) - n)) > 0)
		n += r;
	SYS(CLOSE, fd);
	for (int i = 0; i < n; i++) {
		u64 start = 0;

		for (; text[i] != '-'; i++)
			start = start * 16 + (text[i] <= '9' ? text[i] - '0' : text[i] - 'a' + 10);
		while (text[i] != ' ')
			i++;
		if (start >= (u64)map && start < (u64)map + 0x10000)
			for (int j = 0; j < 14; j++)
				put(text[i + j]);
		while (text[i] != '\n')
			i++;
	}
}

static int run(int argc, char **argv)
{
	const char *file = argv[1];
	int fd = -1;
	char *pages = (char *)SYS(MMAP, 0, 8192, 3, 0x22, -1, 0);

	SYS(MUNMAP, pages + 4096, 4096);
	for (int i = 2; i < argc; i++) {
		s64 r = 0;

		split(argv[i]);
		puts_(argv[i]);
		if (is("open"))
			r = fd = SYS(OPENAT, -100, file, num(arg[1]), 0);
		else if (is("close"))
			r = SYS(CLOSE, fd);
		else if (is("read"))
			r = SYS(READ, fd, buf, num(arg[1]));
		else if (is("write"))
			r = SYS(WRITE, fd, arg[1], len(arg[1]));
		else if (is("pread"))
			r = SYS(PREAD, fd, buf, num(arg[1]), num(arg[2]));
		else if (is("pwrite"))
			r = SYS(PWRITE, fd, arg[1], len(arg[1]), num(arg[2]));
		else if (is("lseek"))
			r = SYS(LSEEK, fd, num(arg[1]), num(arg[2]));
		else if (is("ioctl"))
			r = SYS(IOCTL, fd, num(arg[1]), num(arg[2]));
		else if (is("ioctlp")) {
			int v[2] = { num(arg[2]), num(arg[3]) };

			r = SYS(IOCTL, fd, num(arg[1]), v);
			puts_(" {");
			number(v[0]);
			put(' ');
			number(v[1]);
			put('}');
		} else if (is("readv")) {
			struct iovec v[2] = { { buf, num(arg[1]) }, { buf + 4096, num(arg[2]) } };

			r = SYS(READV, fd, v, 2);
			contents(buf, num(arg[1]));
			contents(buf + 4096, num(arg[2]));
		} else if (is("writev")) {
			struct iovec v[2] = { { arg[1], len(arg[1]) }, { arg[2], len(arg[2]) } };

			r = SYS(WRITEV, fd, v, 2);
		} else if (is("badread"))
			r = SYS(READ, fd, 16, num(arg[1]));
		else if (is("badwrite"))
			r = SYS(WRITE, fd, 16, num(arg[1]));
		else if (is("kernread"))
			r = SYS(READ, fd, -4096, num(arg[1]));
		else if (is("edgeread"))
			r = SYS(READ, fd, pages + 4096 - 4, num(arg[1]));
		else if (is("edgewrite"))
			r = SYS(WRITE, fd, pages + 4096 - 4, num(arg[1]));
		else if (is("poll")) {
			struct pollfd p = { fd, num(arg[1]), 0 };
			u64 t[2] = { num(arg[2]) / 1000, num(arg[2]) % 1000 * 1000000 };

			r = SYS(PPOLL, &p, 1, t, 0, 8);
			puts_(" revents ");
			number(p.revents);
		} else if (is("epoll")) {
			int ep = SYS(EPOLL_CREATE, 0);
			int e[4] = { num(arg[1]), 0, 5, 0 };

			r = SYS(EPOLL_CTL, ep, 1, fd, e);
			if (r == 0)
				r = SYS(EPOLL_WAIT, ep, e, 1, num(arg[2]), 0, 8);
			puts_(" events ");
			number(r > 0 ? e[0] : 0);
			SYS(CLOSE, ep);
		} else if (is("fsync"))
			r = SYS(FSYNC, fd);
		else if (is("dup"))
			r = SYS(DUP, fd);
		else if (is("nonblock"))
			r = SYS(FCNTL, fd, 4, 0x800);
		else if (is("sleep")) {
			u64 t[2] = { num(arg[1]) / 1000, num(arg[1]) % 1000 * 1000000 };

			r = SYS(NANOSLEEP, t, 0);
		} else if (is("fork")) {
			flush();
			r = SYS(CLONE, 17, 0, 0, 0, 0);
			if (r > 0) {
				SYS(WAIT4, r, 0, 0, 0);
				r = 1;
			} else
				puts_(" child");
		} else if (is("mmap")) {
			char *p = (char *)SYS(MMAP, 0, num(arg[1]), 3, num(arg[2]) ? 1 : 2, fd, num(arg[3]) * 4096);

			r = (s64)p;
			if (r > 0 || r < -4095) {
				contents(p, 16);
				p[0] = 'M';
				r = SYS(MUNMAP, p, num(arg[1]));
			}
		} else if (is("map")) {
			map = (char *)SYS(MMAP, 0, num(arg[1]), num(arg[4]) ? num(arg[4]) : 3, num(arg[2]) ? 1 : 2, fd, num(arg[3]) * 4096);
			r = (u64)map > -4096ul ? (s64)map : 0;
			handle(7);
			handle(11);
		} else if (is("peek")) {
			char text[16];
			int n = 0;

			faulted = 0;
			while (n < 16 && !faulted)
				text[n] = load(map + num(arg[1]) + n), n++;
			if (!faulted)
				contents(text, 16);
			r = faulted;
		} else if (is("poke")) {
			faulted = 0;
			for (int n = 0; n < len(arg[2]) && !faulted; n++)
				store(map + num(arg[1]) + n, arg[2][n]);
			r = faulted;
		} else if (is("kwrite") || is("kread")) {
			int p[2];

			SYS(PIPE2, p, 0);
			if (is("kwrite")) {
				r = SYS(WRITE, p[1], map + num(arg[1]), num(arg[2]));
				if (r > 0)
					contents(buf, SYS(READ, p[0], buf, r));
			} else {
				SYS(WRITE, p[1], arg[2], len(arg[2]));
				r = SYS(READ, p[0], map + num(arg[1]), len(arg[2]));
			}
			SYS(CLOSE, p[0]);
			SYS(CLOSE, p[1]);
		} else if (is("munmap"))
			r = SYS(MUNMAP, map + num(arg[1]), num(arg[2]));
		else if (is("mprotect"))
			r = SYS(MPROTECT, map + num(arg[1]), num(arg[2]), num(arg[3]));
		else if (is("maps"))
			maps();
		else if (is("own")) {
			int pid = SYS(GETPID);

			handle(29);
			r = SYS(FCNTL, fd, 8, pid);
		} else if (is("async"))
			r = SYS(FCNTL, fd, 4, num(arg[1]) ? 0x2000 : 0);
		else if (is("sig")) {
			handle(num(arg[1]));
			r = SYS(FCNTL, fd, 10, num(arg[1]));
		} else if (is("signals")) {
			puts_(" signo ");
			number(io_signo);
			puts_(" code ");
			number(io_code);
			if (io_code != 128) {
				puts_(" band ");
				number(io_band);
				puts_(" fd ");
				number(io_fd);
			}
			r = io_count;
			io_count = io_signo = io_code = 0;
		} else
			puts_(" ?");
		if (is("read") || is("pread"))
			contents(buf, r);
		puts_(" = ");
		number(r);
		put('\n');
	}
	flush();
	return 0;
}
__attribute__((used)) void start(u64 *sp)
{
	SYS(EXIT, run(sp[0], (char **)(sp + 1)));
}
asm(".globl _start\n_start: mv a0, sp\n\tandi sp, sp, -16\n\tcall start\n");
