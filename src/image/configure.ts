import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../abi/fs.ts';
import { runKernel } from '../kernel/entry.ts';
import type { Dentry } from '../kernel/fs/types.ts';
import type { ImageLayer } from '../kernel/host.ts';
import { LazyChildren } from '../kernel/init/image_layer.ts';
import { startKernel } from '../kernel/init/main.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { ImageMapping } from '../kernel/mm/image_mapping.ts';
import { Machine } from '../machine/machine.ts';
import { writeCpio } from './cpio.ts';
import type { Progress } from './mirror.ts';
import { type BlobWriter, type DirNode, IMAGE_TIME, type ImageTreeBuilder, newDir, type Node } from './tree.ts';

// What a package's postinst does is done by its postinst: the unpacked tree is booted, the scripts run in it in the order of dependencies, as
// `dpkg --configure -a` would run them, and what they changed goes into the image. The run is seeded, so the image is always the same.

const MEMORY = 768 << 20;
/** Instructions between looks at the console. */
const TURN = 20_000_000;
/** Virtual seconds that the whole may take. */
const LIMIT_SECONDS = 1800;

/** The script of pid 1; `order` names the packages as dpkg's info directory does. */
export function configureScript(order: readonly string[]): string {
  return `#!/bin/busybox sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DPKG_MAINTSCRIPT_ARCH=riscv64 DPKG_MAINTSCRIPT_NAME=postinst
export DPKG_RUNNING_VERSION=1.22.21 DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg PYTHONDONTWRITEBYTECODE=
# BusyBox finds its own programs by /proc/self/exe: until that is there it must be named.
/bin/busybox mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
ln -s /proc/self/fd /dev/fd
cd /
for p in ${order.join(' ')}; do
  f=/var/lib/dpkg/info/$p.postinst
  [ -x $f ] || continue
  echo "@@ start $p"
  DPKG_MAINTSCRIPT_PACKAGE=\${p%%:*} $f configure '' </dev/null >/tmp/out 2>&1 || { echo "@@ failed $p $?"; sed 's/^/@| /' /tmp/out | tail -n 5; }
done
ldconfig
echo "@@ done"
poweroff -f
`;
}

/** Boots `layer`, whose tree is `tree`, runs the scripts of `order` and takes their changes over into `tree`. @throws Error when it does not end. */
export function configureInGuest(
  layer: ImageLayer,
  tree: ImageTreeBuilder,
  own: BlobWriter,
  order: readonly string[],
  progress: Progress,
  warn: (text: string) => void,
): void {
  const machine = Machine.create({ memoryBytes: MEMORY });
  let line = '';
  let done = false;
  let pseudo = 0x5eed;
  const hear = (text: string) => {
    const m = /^@@ (start|failed|done) ?(\S*) ?(\S*)/.exec(text);
    if (m?.[1] === 'start') progress(`configuring ${m[2]}`);
    else if (m?.[1] === 'failed') warn(`the postinst script of ${m[2]} ended with status ${m[3]}`);
    else if (m?.[1] === 'done') done = true;
    else if (text.startsWith('@| ')) warn(`  ${text.slice(3)}`);
  };
  const k = startKernel(
    machine,
    {
      consoleWrite(bytes) {
        line += Buffer.from(bytes).toString('latin1');
        const parts = line.split(/\r?\n/);
        line = parts.pop() ?? '';
        parts.forEach(hear);
      },
      entropy(into) {
        for (let i = 0; i < into.length; i++) {
          pseudo = (Math.imul(pseudo, 1664525) + 1013904223) >>> 0;
          into[i] = pseudo >>> 24;
        }
      },
      bootTime: () => ({ sec: IMAGE_TIME, nsec: 0 }),
      elapsed: null,
    },
    {
      commandLine: 'console=ttyS0 loglevel=3 rdinit=/.configure',
      cpus: 1,
      seed: 1,
      image: layer,
      initramfs: writeCpio([{ name: '.configure', mode: S_IFREG | 0o755, data: Buffer.from(configureScript(order)) }]),
    },
  );
  while (k.halted === null) {
    const state = runKernel(k, TURN);
    if (state === 'halted') break;
    if (k.time.now() > LIMIT_SECONDS * 1e9) throw new Error(`configuring the image did not end (last: ${line})`);
    if (state !== 'running' && state.idleUntil === Number.POSITIVE_INFINITY) throw new Error('configuring the image came to a stand');
  }
  if (!done) throw new Error(`configuring the image stopped early: ${k.halted?.message ?? ''}`);
  for (const nr of k.missingSyscalls) warn(`a script used system call ${nr}, which is not there yet`);
  takeOver(k, k.vfs.rootMount.root, tree.root, own, '');
}

const SKIPPED = /^\/(\.configure|dev\/.*|proc\/.*|sys\/.*|run\/.*|tmp\/.*)$/;

/** Makes `node` what `dentry` is now. Directories that nobody looked into are as they were. */
function takeOver(k: Kernel, dentry: Dentry, node: DirNode, own: BlobWriter, path: string): void {
  const { children } = dentry;
  if (children instanceof LazyChildren && children.pending !== null) return;
  for (const name of [...node.children.keys()]) if (!children.has(name)) node.children.delete(name);
  for (const [name, child] of children) {
    const at = `${path}/${name}`;
    if (SKIPPED.test(at)) continue;
    const { inode } = child;
    const old = node.children.get(name);
    const owner = { uid: inode.uid, gid: inode.gid, mtime: inode.mtime.sec };
    const mode = inode.mode & 0o7777;
    let next: Node;
    switch (inode.mode & S_IFMT) {
      case S_IFDIR:
        next = old?.kind === 'dir' ? old : newDir(mode);
        takeOver(k, child, next, own, at);
        break;
      case S_IFLNK:
        next = { kind: 'symlink', ...owner, target: String(inode.data) };
        break;
      case S_IFREG: {
        const { mapping } = inode;
        if (old?.kind === 'file' && mapping instanceof ImageMapping && mapping.pristine !== null) next = old;
        else {
          const data = new Uint8Array(mapping?.size ?? 0);
          mapping?.read(k, 0, data);
          next = own.file(mode, data, owner);
        }
        break;
      }
      default:
        continue; // devices, sockets and pipes belong to a running system
    }
    Object.assign(next, owner, next.kind === 'symlink' ? {} : { mode });
    node.children.set(name, next);
  }
}
