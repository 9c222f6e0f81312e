// overlayfs: merged directories, whiteouts, copy-up, opaque directories, renames, attributes, options.
#include "common.h"
#include <sys/sysmacros.h>

static int order(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
static void list(const char *path, int sorted)
{
	DIR *d = opendir(path);
	if (!d) { say(path, -1); return; }
	char *names[100];
	int n = 0;
	for (struct dirent *e; (e = readdir(d)) && n < 100;) {
		char line[300];
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
		snprintf(line, sizeof line, "%s:%d", e->d_name, e->d_type);
		names[n++] = strdup(line);
	}
	closedir(d);
	if (sorted) qsort(names, n, sizeof *names, order);
	printf("%s:", path);
	for (int i = 0; i < n; i++) printf(" %s", names[i]);
	putchar('\n');
}
static void look(const char *path)
{
	struct stat st;
	if (lstat(path, &st)) { say(path, -1); return; }
	printf("%s: mode %o nlink %d uid %d size %ld", path, st.st_mode, (int)st.st_nlink, st.st_uid, S_ISDIR(st.st_mode) ? 0L : (long)st.st_size);
	if (S_ISCHR(st.st_mode)) printf(" rdev %d:%d", major(st.st_rdev), minor(st.st_rdev));
	char v[16];
	long n = lgetxattr(path, "trusted.overlay.opaque", v, sizeof v);
	if (n > 0) printf(" opaque %.*s", (int)n, v);
	putchar('\n');
}
static void cat(const char *path)
{
	char buf[256];
	long n = slurp(path, buf, sizeof buf);
	if (n < 0) say(path, -1);
	else text("%s: '%s'", path, buf);
}
static void options(const char *why)
{
	char buf[8192];
	slurp("/proc/mounts", buf, sizeof buf);
	for (char *l = strtok(buf, "\n"); l; l = strtok(NULL, "\n")) if (strstr(l, " overlay ")) text("%s: %s", why, l);
}
#define OPT "lowerdir=l1:l2,upperdir=u,workdir=w"
void overlay_part(void)
{
	const char *dirs[] = { "l1", "l2", "u", "w", "m", "l1/both", "l2/both", "l2/only2", "l1/op", "l2/op", "l2/deep", "l2/deep/er", "u/ud", "l2/full", NULL };
	for (int i = 0; dirs[i]; i++) mkdir(dirs[i], 0755);
	make("l1/a", "a of l1"); make("l2/a", "a of l2"); make("l2/b", "b of l2"); make("l1/both/x", "x1"); make("l2/both/y", "y2");
	make("l2/both/x", "x2"); make("l2/only2/f", "f2"); make("l2/op/hidden", "h"); make("l1/op/shown", "s"); make("u/up", "upper");
	make("l2/deep/er/file", "deep file"); make("l2/full/inside", "i"); make("l2/gone", "gone"); make("l2/conf", "file below");
	mkdir("l1/conf", 0755); make("l1/conf/in", "in");
	mknod("l1/gone", S_IFCHR, 0);
	setxattr("l1/op", "trusted.overlay.opaque", "y", 1, 0);
	symlink("b", "l2/sl"); mkfifo("l2/fifo", 0644); mknod("l2/null", S_IFCHR | 0666, makedev(1, 3));
	chmod("l2/b", 0640); chown("l2/b", 7, 8); setxattr("l2/b", "user.note", "kept", 4, 0);
	link("l2/b", "l2/b-link");
	SAY(mount("o", "m", "overlay", 0, "lowerdir=l1"));
	SAY(umount("m"));
	SAY(mount("o", "m", "overlay", 0, ""));
	SAY(mount("o", "m", "overlay", 0, "lowerdir=none"));
	SAY(mount("o", "m", "overlay", 0, "lowerdir=l1/a"));
	SAY(mount("o", "m", "overlay", 0, "lowerdir=l1,upperdir=u"));
	SAY(mount("o", "m", "overlay", 0, "lowerdir=l1,upperdir=u,workdir=u/ud"));
	SAY(mount("o", "m", "overlay", 0, "lowerdir=l1,upperdir=u,workdir=w,nonsense"));
	SAY(mount("o", "m", "overlay", 0, OPT));
	options("mounted");
	list("m", 0); list("m/both", 0); list("m/op", 0); list("m/conf", 0); list("m/only2", 0);
	list("w", 1);
	cat("m/a"); cat("m/both/x"); cat("m/both/y"); cat("m/gone"); cat("m/op/hidden"); cat("m/conf/in"); cat("m/up");
	look("m/both"); look("m/only2"); look("m/b"); look("m/sl"); look("m/fifo"); look("m/null");
	struct statfs sf;
	SAY(statfs("m", &sf));
	text("type %lx", (long)sf.f_type);

	// Copy-up by writing, by attributes, by truncation, of parents.
	struct stat before, after;
	stat("m/b", &before);
	int rd = open("m/b", O_RDONLY);
	int wr = open("m/b", O_WRONLY | O_APPEND);
	SAY(write(wr, "+more", 5));
	char buf[64] = "";
	pread(rd, buf, sizeof buf, 0);
	text("the reader sees '%s'", buf);
	close(rd); close(wr);
	stat("m/b", &after);
	text("inode number kept %d, device kept %d", before.st_ino == after.st_ino, before.st_dev == after.st_dev);
	cat("u/b"); cat("l2/b"); cat("m/b-link"); look("u/b"); look("m/b");
	text("%ld", (long)getxattr("u/b", "user.note", buf, sizeof buf));
	SAY(chmod("m/deep/er/file", 0600));
	look("u/deep"); look("u/deep/er"); look("u/deep/er/file"); look("l2/deep/er/file");
	SAY(truncate("m/a", 1));
	cat("m/a"); cat("l1/a");
	SAY(setxattr("m/only2/f", "user.new", "v", 1, 0));
	text("lower has it: %ld", (long)getxattr("l2/only2/f", "user.new", buf, sizeof buf));
	SAY(lchown("m/sl", 3, 3));
	look("u/sl");
	text("%ld '%s'", (long)readlink("u/sl", buf, sizeof buf), "");
	SAY(open("m/only2/f", O_RDONLY) > 0);
	SAY(getxattr("m/op", "trusted.overlay.opaque", buf, sizeof buf));
	SAY(listxattr("m/op", buf, sizeof buf));

	// Whiteouts.
	SAY(unlink("m/both/x")); look("u/both/x"); list("m/both", 0);
	SAY(unlink("m/up")); look("u/up");
	SAY(rmdir("m/full"));
	SAY(unlink("m/full/inside")); SAY(rmdir("m/full")); look("u/full"); list("m", 1);
	SAY(mkdir("m/full", 0700)); look("u/full"); list("m/full", 0); look("m/full");
	make("m/both/x", "again"); look("u/both/x"); cat("m/both/x");
	SAY(mknod("m/wh", S_IFCHR, 0));
	SAY(mknod("m/dev", S_IFCHR, makedev(1, 3)));
	SAY(unlink("m/none"));
	SAY(rmdir("m/conf"));

	// Renames and links.
	SAY(rename("m/only2", "m/elsewhere"));
	SAY(rename("m/ud", "m/ud2")); list("u", 1);
	SAY(rename("m/b", "m/b2")); look("u/b"); cat("m/b2"); cat("m/b");
	SAY(rename("m/a", "m/both/y")); cat("m/both/y"); cat("m/a"); cat("l2/both/y");
	SAY(mkdir("m/fresh", 0755)); make("m/fresh/f", "f");
	SAY(rename("m/fresh", "m/full")); look("u/full"); list("m/full", 0);
	SAY(syscall(SYS_renameat2, AT_FDCWD, "m/b2", AT_FDCWD, "m/fifo", 2)); look("m/b2"); look("m/fifo");
	SAY(syscall(SYS_renameat2, AT_FDCWD, "m/b2", AT_FDCWD, "m/fifo", 1));
	SAY(rename("m/full", "m/full/inner"));
	SAY(link("m/null", "m/null2")); look("m/null2"); look("m/null");
	SAY(link("m/deep/er/file", "m/hard")); look("m/hard"); cat("m/hard");
	SAY(unlink("m/hard")); look("m/deep/er/file");
	SAY(symlink("target", "m/newlink")); look("m/newlink");
	list("m", 1); list("u", 1); list("u/both", 1);

	// Open files outlive their names; mappings see what is written.
	int fd = open("m/both/x", O_RDWR);
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memcpy(p, "AGAIN", 5);
	cat("m/both/x");
	SAY(unlink("m/both/x"));
	SAY(pread(fd, buf, 5, 0));
	SAY(fstat(fd, &after));
	text("nlink %d", (int)after.st_nlink);
	close(fd);
	fd = open("m", O_TMPFILE | O_RDWR, 0600);
	text("tmpfile %d", fd > 0);
	close(fd);
	chdir("m/both");
	SAY(umount("/t/m"));
	text("%s", getcwd(buf, sizeof buf));
	chdir("/t");
	SAY(mount("o", "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	SAY(mkdir("m/ro", 0755));
	SAY(umount("m"));
	// What is in the upper layer makes the same tree again.
	SAY(mount("o", "m", "overlay", 0, OPT));
	list("m", 1); list("m/full", 0); cat("m/deep/er/file"); cat("m/b"); look("m/both");
	SAY(umount("m"));
	SAY(mount("o", "m", "overlay", 0, "lowerdir=u:l1:l2"));
	options("no upper layer");
	list("m", 1);
	SAY(mkdir("m/x", 0755));
	SAY(chmod("m/fifo", 0600));
	SAY(umount("m"));
	SAY(symlink("x", "colon:dir")); 
	mkdir("co:lon", 0755);
	make("co:lon/f", "colon");
	SAY(mount("o", "m", "overlay", 0, "lowerdir=co\\:lon:l1"));
	options("colon");
	cat("m/f");
	SAY(umount("m"));
}
