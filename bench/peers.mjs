// The systems that the bench compares: how each runs a static program, and whether this machine has it.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeCpio } from '../dist/image/cpio.js';

const here = dirname(fileURLToPath(import.meta.url));
/** Where the laboratory keeps QEMU 10 and real Linux; $LAB chooses another place. */
const lab = process.env.LAB ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lintel-lab');
const q10 = join(lab, 'oracle', 'q10');

function version(command) {
  const r = spawnSync(command, ['--version'], { encoding: 'utf8' });
  return r.status === 0 ? (/version ([\d.]+)/.exec(r.stdout)?.[1] ?? '?') : null;
}
function firstOf(commands) {
  for (const command of commands) {
    const v = version(command);
    if (v !== null) return { command, version: v };
  }
  return null;
}

/** Compiles a workload file. Null, with a word on why, when there is no compiler. */
export function compile(compiler, source, to) {
  const r = spawnSync(compiler, ['-O2', '-static', '-pthread', '-o', to, source, '-lm'], { encoding: 'utf8' });
  if (r.error !== undefined) return `no ${compiler}`;
  return r.status === 0 ? null : `${compiler}: ${r.stderr.trim().split('\n')[0]}`;
}

/**
 * The peers: {name, title, missing, command}. `missing` says why one cannot run; else command(words, warm) is the argument vector that runs the workloads.
 */
export function peers(work) {
  const native = join(work, 'workloads-native');
  const riscv = join(work, 'workloads-riscv64');
  const initramfs = join(work, 'initramfs.cpio');
  if (existsSync(riscv)) writeInitramfs(riscv, initramfs);
  return [nativePeer(native), qemuUser(riscv), qemuSystem(riscv, initramfs), lintel(riscv, initramfs)];
}
const needs = (file) => (existsSync(file) ? null : 'no build of the workloads for it');

function nativePeer(file) {
  return { name: 'native', title: `native (${process.arch})`, missing: needs(file), command: (words) => [file, ...words] };
}

/** Its execve must work for riscv64 files: a user namespace of its own gets a private binfmt_misc, and nothing on the host changes. */
function qemuUser(file) {
  const q = firstOf([join(q10, 'qemu-riscv64'), join(q10, 'root/usr/bin/qemu-riscv64'), 'qemu-riscv64', 'qemu-riscv64-static']);
  const missing = q === null ? 'no qemu-riscv64' : needs(file);
  const magic = '\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xf3\\x00';
  const mask = '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff';
  const script = `mount -t binfmt_misc none /proc/sys/fs/binfmt_misc 2>/dev/null &&
printf '%s' ':lintelbench:M::${magic}:${mask}:${q?.command}:F' > /proc/sys/fs/binfmt_misc/register && exec "$@"
echo 'qemu-user: no private binfmt_misc, so forkexec fails' >&2; exec ${q?.command} "$@"`;
  const command = (words) => ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh', file, ...words];
  return { name: 'qemu-user', title: `qemu-riscv64 ${q?.version ?? ''}`.trim(), missing, command };
}

/** The workloads as init, in an initramfs of their own: for real Linux and for Lintel. */
export function writeInitramfs(file, to) {
  const none = new Uint8Array(0);
  const dir = 0o040755;
  const device = (name, major, minor) => ({ name, mode: 0o020666, data: none, rdev: { major, minor } });
  writeFileSync(
    to,
    writeCpio([
      { name: 'dev', mode: dir, data: none },
      { name: 'proc', mode: dir, data: none },
      device('dev/console', 5, 1),
      device('dev/null', 1, 3),
      { name: 'init', mode: 0o100755, data: readFileSync(file) },
    ]),
  );
}

/** Real Linux. It ends in the panic of an init that exited. */
function qemuSystem(file, initramfs) {
  const q = firstOf([join(q10, 'qemu-system-riscv64'), 'qemu-system-riscv64']);
  const image = join(lab, 'oracle', 'Image');
  const missing = q === null ? 'no qemu-system-riscv64' : existsSync(image) ? needs(file) : 'no riscv64 Linux kernel in the laboratory';
  const machine = ['-M', 'virt', '-smp', '1', '-m', '1G', '-display', 'none', '-no-reboot', '-monitor', 'none', '-serial', 'stdio'];
  const command = (words, warm) => [
    q.command,
    ...machine,
    '-kernel',
    image,
    '-initrd',
    initramfs,
    '-append',
    `console=ttyS0 quiet panic=-1 MB_WARM=${warm} -- ${words.join(' ')}`,
  ];
  return { name: 'qemu-system', title: `Linux in qemu-system-riscv64 ${q?.version ?? ''}`.trim(), missing, command };
}

function lintel(file, initramfs) {
  const command = (words, warm) => [process.execPath, join(here, 'lintel_peer.mjs'), initramfs, `MB_WARM=${warm} -- ${words.join(' ')}`];
  return { name: 'lintel', title: `Lintel (Node ${process.versions.node})`, missing: needs(file), command };
}
