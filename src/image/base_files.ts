/** /init of the images. `lintel=serve` on the kernel command line: set up and wait for the host's commands; else a shell on the console. */
export const INIT_SCRIPT = `#!/bin/busybox sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LOGNAME=root
# BusyBox finds its own programs by /proc/self/exe: until that is there it must be named.
/bin/busybox mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
hostname lintel
ifconfig lo up
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
# What systemd-modules-load does: modules_load= of the kernel command line, then modules-load.d(5). By path: kmod's modprobe where that is installed.
names=
for d in /etc /run /usr/local/lib /usr/lib; do
  for f in $d/modules-load.d/*.conf; do [ -e "$f" ] && names="$names \${f##*/}"; done
done
if [ -n "$modules_load$names" ]; then
  for m in \${modules_load//,/ }; do /sbin/modprobe -b "$m"; done
  for n in $(printf '%s\\n' $names | sort -u); do
    for d in /etc /run /usr/local/lib /usr/lib; do [ -e "$d/modules-load.d/$n" ] && break; done
    while read -r m || [ -n "$m" ]; do
      case "$m" in '' | '#'* | ';'*) ;; *) /sbin/modprobe -b "$m" ;; esac
    done < "$d/modules-load.d/$n"
  done
fi
unset names modules_load
cd /root
if [ "$lintel" = serve ]; then exec init; fi
[ -n "$TERM" ] || TERM=linux
shell=sh
[ -x /bin/bash ] && shell=bash
setsid cttyhack $shell -l
poweroff -f
`;

export const INITTAB = `# Nothing to start: BusyBox init only reaps orphans while the host runs commands.
::shutdown:/bin/true
`;

export const ETC_FILES: Readonly<Record<string, string>> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nbin:x:2:2:bin:/bin:/usr/sbin/nologin\nsys:x:3:3:sys:/dev:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
  'etc/group': 'root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\ntty:x:5:\nusers:x:100:\nnogroup:x:65534:\n',
  'etc/hosts': '127.0.0.1\tlocalhost\n',
  'etc/hostname': 'lintel\n',
  'etc/profile': "export PS1='\\u@\\h:\\w\\$ '\n",
  'etc/os-release':
    'PRETTY_NAME="Debian GNU/Linux 13 (trixie), Lintel"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\nVERSION_CODENAME=trixie\nID=debian\n',
  'etc/inittab': INITTAB,
};

export const DIRECTORIES: readonly string[] = [
  'dev',
  'etc',
  'mnt',
  'proc',
  'root',
  'run',
  'sys',
  'tmp',
  'usr',
  'usr/bin',
  'usr/lib',
  'usr/sbin',
  'usr/local',
  'usr/local/bin',
  'var',
  'var/log',
  'var/tmp',
  'lib/modules',
];
