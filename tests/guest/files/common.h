// What the parts of filestest share. Each prints one line for each answer; numbers that differ from run to run are not printed.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

void say(const char *what, long r);           // "what = 0" or "what = -1 ENOENT"
void text(const char *format, ...);           // a line
void show_file(const char *path);             // its contents, indented
int make(const char *path, const char *contents);
long slurp(const char *path, char *into, long size);
#define SAY(call) say(#call, (long)(call))

void inotify_part(void);
void locks_part(void);
void handles_part(void);
void mounts_part(void);
void mountapi_part(void);
void overlay_part(void);
void misc_part(void);
