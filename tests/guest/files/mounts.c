// mount(2), umount2(2), pivot_root(2), propagation, mount namespaces, remounts, bind mounts.
#include "common.h"
#include <sched.h>

static int ids[400], nids, groups[100], ngroups;
static int nth(int *table, int *n, int id)
{
	for (int i = 0; i < *n; i++) if (table[i] == id) return i + 1;
	table[(*n)++] = id;
	return *n;
}
// Mounts below /t: where, what, options, propagation with groups in the order in which they are first seen.
static void info(const char *why)
{
	static char buf[32768];
	slurp("/proc/self/mountinfo", buf, sizeof buf);
	text("%s:", why);
	for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
		int id, parent;
		char dev[32], root[256], place[256], opts[256];
		int at;
		if (sscanf(line, "%d %d %31s %255s %255s %255s%n", &id, &parent, dev, root, place, opts, &at) < 6) continue;
		if (strncmp(place, "/t/", 3) && strcmp(place, "/t") && !getenv("ALL")) continue;
		printf("  %s on %s %s", root, place, opts);
		char *tail = line + at + 1, *end = strstr(tail, "- ");
		*end = 0;
		for (char *w = strtok_r(tail, " ", &tail); w; w = strtok_r(NULL, " ", &tail)) {
			char *colon = strchr(w, ':');
			if (!colon) { printf(" %s", w); continue; }
			printf(" %.*s:%d", (int)(colon - w), w, nth(groups, &ngroups, atoi(colon + 1)));
		}
		char type[32], source[64], sopts[256] = "";
		sscanf(end + 2, "%31s %63s %255s", type, source, sopts);
		sopts[2] = 0; // the sizes differ
		printf(" - %s %s %s\n", type, source, sopts);
	}
}
static void exists(const char *path) { text("%s %s", path, access(path, F_OK) ? strerrorname_np(errno) : "there"); }
static void child(void (*f)(void))
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) { f(); exit(0); }
	int st;
	waitpid(pid, &st, 0);
	if (st) text("child ended with %x", st);
}
static void pivots(void)
{
	char buf[64];
	SAY(unshare(CLONE_NEWNS));
	SAY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	mkdir("new", 0755);
	SAY(syscall(SYS_pivot_root, "new", "new"));
	SAY(mount("new", "new", "tmpfs", 0, ""));
	mkdir("new/old", 0755); mkdir("new/in", 0755);
	SAY(syscall(SYS_pivot_root, "new/in", "new/old"));
	SAY(syscall(SYS_pivot_root, "new", "/t"));
	SAY(syscall(SYS_pivot_root, "none", "new"));
	SAY(chroot("/t/new"));
	SAY(chdir("/"));
	SAY(syscall(SYS_pivot_root, "/", "/old"));
	text("%s", getcwd(buf, sizeof buf));
	exists("/in");
	mkdir("/proc", 0755);
}
static int pipefd[2][2];
static void in_new_ns(void)
{
	char c;
	SAY(unshare(CLONE_NEWNS));
	mkdir("s/ns", 0755);
	SAY(mount("ns", "s/ns", "tmpfs", 0, ""));
	make("s/ns/f", "x");
	SAY(mount("nsp", "p", "tmpfs", 0, ""));
	info("in the new namespace");
	write(pipefd[0][1], "x", 1);
	read(pipefd[1][0], &c, 1);
	exists("s/outside/g");
}
static void unprivileged(void)
{
	setuid(1000);
	SAY(mount("t", "m", "tmpfs", 0, ""));
	SAY(umount("m"));
	SAY(mount(NULL, "m", NULL, MS_PRIVATE, NULL));
	SAY(syscall(SYS_pivot_root, "m", "m"));
	SAY(unshare(CLONE_NEWNS));
	SAY(chroot("/"));
}
void mounts_part(void)
{
	const char *dirs[] = { "m", "b", "s", "s/a", "s/b", "p", "p2", "sl", "x", "x/y", NULL };
	for (int i = 0; dirs[i]; i++) mkdir(dirs[i], 0755);
	make("file", "1"); make("file2", "2");
	symlink("m", "link");
	// Plain mounts and errors.
	SAY(mount("src", "m", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME, "size=1m"));
	info("flags");
	SAY(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	info("read-only by remount of the mount");
	SAY(mkdir("m/d", 0755));
	SAY(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_STRICTATIME, NULL));
	info("strictatime");
	SAY(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	info("read-only by remount of the file system");
	SAY(mkdir("m/d", 0755));
	SAY(mount(NULL, "m", NULL, MS_REMOUNT, "size=2m"));
	info("and back");
	SAY(mount(NULL, "m", NULL, MS_REMOUNT, "nonsense=1"));
	SAY(mount(NULL, "x", NULL, MS_REMOUNT, NULL));
	SAY(mount("s", "none", "tmpfs", 0, ""));
	SAY(mount("s", "file", "tmpfs", 0, ""));
	SAY(mount("s", "m", "nofs", 0, ""));
	SAY(mount("s", "m", NULL, 0, ""));
	SAY(mount("s", "m", "tmpfs", 0, "mode=9"));
	SAY(mount("s", (char *)1, "tmpfs", 0, ""));
	SAY(mount("s", "m", "tmpfs", MS_SHARED | MS_PRIVATE, ""));
	SAY(mount("", "x", NULL, MS_BIND, NULL));
	SAY(mount("none", "x", NULL, MS_BIND, NULL));
	SAY(mount("file", "x", NULL, MS_BIND, NULL));
	SAY(mount("x", "file", NULL, MS_BIND, NULL));
	SAY(umount("x"));
	SAY(umount("none"));
	SAY(umount2("m", 16));
	SAY(umount2("link", UMOUNT_NOFOLLOW));
	SAY(umount2("m", MNT_EXPIRE | MNT_FORCE));
	SAY(umount2("m", MNT_EXPIRE));
	SAY(umount2("m", MNT_EXPIRE));
	int fd;
	SAY(mount("t", "m", "tmpfs", 0, ""));
	fd = open("m/open", O_CREAT | O_WRONLY, 0644);
	SAY(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	SAY(umount("m"));
	SAY(umount2("m", MNT_DETACH));
	SAY(write(fd, "x", 1));
	close(fd);
	// Bind mounts.
	SAY(mount("file", "file2", NULL, MS_BIND, NULL));
	char c[8] = "";
	slurp("file2", c, 8);
	text("file2 is '%s'", c);
	SAY(unlink("file2"));
	SAY(rename("file2", "file3"));
	SAY(umount("file2"));
	SAY(mount("y", "x/y", "tmpfs", 0, ""));
	make("x/y/inner", "1");
	SAY(mount("x", "b", NULL, MS_BIND, NULL));
	exists("b/y/inner");
	SAY(umount("b"));
	SAY(mount("x", "b", NULL, MS_BIND | MS_REC, NULL));
	exists("b/y/inner");
	SAY(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	SAY(mkdir("b/n", 0755)); SAY(mkdir("x/n", 0755)); SAY(mkdir("b/y/n", 0755));
	info("recursive bind");
	SAY(rmdir("x/y"));
	SAY(umount("b"));
	SAY(umount2("b", MNT_DETACH));
	SAY(mount("x/y", "p2", NULL, MS_MOVE, NULL));
	SAY(mount("x", "p2", NULL, MS_MOVE, NULL));
	SAY(mount("p2", "p2/n", NULL, MS_MOVE, NULL));
	info("moved");
	SAY(umount("p2"));
	// Propagation.
	SAY(mount("s", "s", NULL, MS_BIND, NULL));
	SAY(mount(NULL, "s", NULL, MS_SHARED, NULL));
	SAY(mount(NULL, "x", NULL, MS_SHARED, NULL));
	SAY(mount("s", "b", NULL, MS_BIND, NULL));
	SAY(mount("s", "sl", NULL, MS_BIND, NULL));
	SAY(mount(NULL, "sl", NULL, MS_SLAVE, NULL));
	SAY(mount("s", "p", NULL, MS_BIND, NULL));
	SAY(mount(NULL, "p", NULL, MS_PRIVATE, NULL));
	info("a peer, a slave, a private copy");
	SAY(mount("inside", "s/a", "tmpfs", 0, ""));
	info("a mount below the shared one");
	make("b/a/seen", "1");
	exists("s/a/seen"); exists("sl/a/seen"); exists("p/a/seen");
	SAY(mount("slave", "sl/b", "tmpfs", 0, ""));
	info("a mount below the slave");
	SAY(mount(NULL, "sl", NULL, MS_SHARED, NULL));
	SAY(mount("sl", "p2", NULL, MS_BIND, NULL));
	info("the slave is shared and has a peer");
	SAY(umount("b/a"));
	info("unmounted by the peer");
	SAY(mount("s/a", "x", NULL, MS_MOVE, NULL));
	SAY(mount(NULL, "p", NULL, MS_UNBINDABLE, NULL));
	SAY(mount("p", "x", NULL, MS_BIND, NULL));
	info("unbindable");
	SAY(mount(NULL, "s", NULL, MS_SLAVE, NULL));
	info("the first of the peers becomes a slave");
	SAY(mount(NULL, "b", NULL, MS_PRIVATE, NULL));
	info("its master leaves");
	for (int i = 0; i < 5; i++) umount2((const char *[]){ "p2", "sl", "b", "p", "s" }[i], MNT_DETACH);
	info("all gone");
	SAY(mount("t", "/t", NULL, MS_BIND | MS_REC, NULL));
	SAY(umount("/t"));
	// Namespaces.
	SAY(mount("s", "s", NULL, MS_BIND, NULL));
	SAY(mount(NULL, "s", NULL, MS_SHARED, NULL));
	pipe(pipefd[0]); pipe(pipefd[1]);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) { in_new_ns(); exit(0); }
	char ch;
	read(pipefd[0][0], &ch, 1);
	info("in the old one");
	exists("s/ns/f");
	mkdir("s/outside", 0755);
	mount("o", "s/outside", "tmpfs", 0, "");
	make("s/outside/g", "1");
	write(pipefd[1][1], "x", 1);
	waitpid(pid, NULL, 0);
	info("after its end");
	umount2("s", MNT_DETACH);
	child(pivots);
	child(unprivileged);
	mkdir("jail", 0755); mkdir("jail/in", 0755);
	SAY(chroot("file"));
	SAY(chroot("none"));
	SAY(chroot("jail"));
	exists("/in"); exists("/t");
	char cwd[128];
	SAY(syscall(SYS_getcwd, cwd, sizeof cwd) > 0);
	text("%s", cwd);
	SAY(chdir("/"));
	SAY(chdir(".."));
	exists("in");
}
