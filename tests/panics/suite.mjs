// The ways of tests/guest/panics/pn_panic.c to panic: each in a system of its own, the same in real Linux (record.mjs) and in Lintel (panic.test.mjs).
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export const FIXTURE = new URL('../fixtures/panics.json', import.meta.url);
const tell = (how) => `echo ${how} > /sys/module/pn_panic/parameters/how; sleep 1`;
const atExit = (how) => `sh -c 'exec 5< /proc/pn_file; echo ${how} > /sys/module/pn_panic/parameters/how; exit 3'; sleep 1`;
/** Name: script, and words of the kernel command line. \`o\` in a way: by an oops, with panic_on_oops. */
export const CASES = {
  call: [tell('c'), 'panic=-1'],
  'call-oops': [tell('co'), 'panic=-1'],
  timer: [tell('t'), 'panic=-1'],
  'timer-oops': [tell('to'), 'panic=-1'],
  thread: [tell('k'), 'panic=-1'],
  'thread-oops': [tell('ko'), 'panic=-1'],
  exit: [atExit('r'), 'panic=-1'],
  'exit-oops': [atExit('ro'), 'panic=-1'],
  'sysctl-seconds': [`echo 1 > /proc/sys/kernel/panic; ${tell('c')}`, 'panic=-1'],
  hung: [
    'sleep 5; echo 1 > /proc/sys/kernel/hung_task_panic; echo 2 > /proc/sys/kernel/hung_task_timeout_secs; echo 1 > /proc/sys/kernel/hung_task_check_interval_secs; echo h > /sys/module/pn_panic/parameters/how; sleep 6',
    'panic=-1',
  ],
  softlockup: ['echo 1 > /proc/sys/kernel/softlockup_panic; echo 1 > /proc/sys/kernel/watchdog_thresh; echo s > /sys/module/pn_panic/parameters/how', 'panic=-1'],
};
export const script = (name) => `insmod /ko/pn_panic.ko\necho 1 > /proc/sys/kernel/panic_on_oops\necho '<0>panics: ${name}' > /dev/kmsg\ndmesg -n 8\n${CASES[name][0]}\n`;

/** The log from the case's beginning on, without times, registers, numbers of processes and CPUs, and frames of the kernel's own functions. */
export function masked(log) {
  const lines = log.replaceAll('\r', '').split('\n').map((line) => line.replace(/^\s*[\d.]*\s*\[ *\d+\.\d+\] /, ''));
  return lines
    .slice(lines.findLastIndex((line) => line.startsWith('panics: ')) + 1)
    .filter((line) => !/ : [0-9a-f]{16}|(epc| ra) : |^status: |^Hardware name|^Code: |^\[<[0-9a-f]{16}>\] [^[]*$|^ {2}\w* ?[0-9a-f]{16}|^\s*$|random: |@@/.test(line))
    .map((line) => line.replace(/CPU: \d+ UID: \d+ PID: \d+/, 'CPU: N PID: N').replace(/\[<[0-9a-f]{16}>\]/, '[<>]').replace(/0x[0-9a-f]+/g, '0xN').replace(/:\d+ blocked/, ':N blocked'))
    // Whom a timer interrupts is chance.
    .map((line) => (/Comm|told to, t|timer|in interrupt|to: die/.test(line) ? line.replace(/(Comm: |comm )(swapper\/\d+|sleep|sh)\b/, '$1ANY') : line))
    .map((line) => line.replace(/(pid|tgid|ppid):\d+ +/g, '$1:N ').replace(/flags:.*/, '').replace(/CPU#\d+ stuck for \d+s! \[([^:]*):\d+\]/, 'CPU#N stuck for Ns! [$1:N]'));
}
export function fixture() {
  const { module, cases } = JSON.parse(readFileSync(FIXTURE, 'utf8'));
  return { module: gunzipSync(Buffer.from(module, 'base64')), cases };
}
