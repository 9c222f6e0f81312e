import { EOPNOTSUPP } from '../../../abi/errno.ts';
import { makeDev } from '../../../abi/fs.ts';
import type { Attribute, KernfsNode } from '../../fs/sysfs/kernfs.ts';
import { sysfsText } from '../../fs/sysfs/sysfs.ts';
import type { Kernel } from '../../kernel.ts';
import { nodeSysfsInit } from '../../mm/node_sysfs.ts';
import { slabSysfsInit } from '../../mm/slab_sysfs.ts';
import { cpuList, hex } from '../../lib/seq_file.ts';
import { memDeviceNames } from '../char/mem.ts';
import { signingInit } from '../../module/signing.ts';
import { firmwareUploadInit } from './firmware_upload.ts';
import { firmwareInit } from './firmware.ts';
import { modelInit } from './objects.ts';
import { inputInit } from '../input/exports.ts';
import { deviceCreate } from './core.ts';

// What the kernel itself shows in /sys: processors, the built-in devices, /sys/kernel (drivers/base/cpu.c, kernel/ksysfs.c, ...).

/** CONFIG_NR_CPUS - 1. */
const KERNEL_MAX = 127;
/** Where ttyS0 hangs on QEMU's virt board. */
const UART_DIR = 'devices/platform/soc/10000000.serial/10000000.serial:0/10000000.serial:0.0';
const VULNERABILITIES = [
  'gather_data_sampling',
  'indirect_target_selection',
  'itlb_multihit',
  'l1tf',
  'mds',
  'meltdown',
  'mmio_stale_data',
  'reg_file_data_sampling',
  'retbleed',
  'spec_rstack_overflow',
  'spec_store_bypass',
  'spectre_v1',
  'spectre_v2',
  'srbds',
  'tsa',
  'tsx_async_abort',
  'vmscape',
];

function cpuInit(k: Kernel): void {
  const { sysfs, cpus } = k;
  const dir = sysfs.mkdirs('devices/system/cpu');
  const all = cpuList(2 ** cpus - 1, cpus);
  for (const name of ['online', 'possible', 'present', 'enabled']) sysfsText(k, dir, name, `${all}\n`);
  sysfsText(k, dir, 'offline', '\n');
  sysfsText(k, dir, 'isolated', '\n');
  sysfsText(k, dir, 'nohz_full', '\n');
  sysfsText(k, dir, 'kernel_max', `${KERNEL_MAX}\n`);
  sysfsText(k, dir, 'uevent', '', 0o644);
  const vulnerabilities = sysfs.mkdirs('devices/system/cpu/vulnerabilities');
  for (const name of VULNERABILITIES) sysfsText(k, vulnerabilities, name, 'Not affected\n');
  const smt = sysfs.mkdirs('devices/system/cpu/smt');
  sysfsText(k, smt, 'active', '0\n');
  sysfsText(k, smt, 'control', 'notimplemented\n', 0o644);
  const bus = sysfs.mkdirs('bus/cpu/devices');
  sysfs.mkdirs('bus/cpu/drivers');
  for (let i = 0; i < cpus; i++) {
    const cpu = sysfs.mkdirs(`devices/system/cpu/cpu${i}`);
    sysfsText(k, cpu, 'online', '1\n', 0o644);
    sysfsText(k, cpu, 'cpu_capacity', '1024\n');
    sysfsText(k, cpu, 'uevent', `OF_NAME=cpu\nOF_FULLNAME=/cpus/cpu@${i}\nOF_TYPE=cpu\n`, 0o644);
    sysfs.createLink(cpu, 'subsystem', sysfs.mkdirs('bus/cpu'));
    sysfs.createLink(bus, `cpu${i}`, cpu);
    const topology = sysfs.mkdirs(`devices/system/cpu/cpu${i}/topology`);
    const own = hex(2 ** i);
    const whole = hex(2 ** cpus - 1);
    const rows: readonly (readonly [string, string])[] = [
      ['cluster_cpus', whole],
      ['cluster_cpus_list', all],
      ['cluster_id', '0'],
      ['core_cpus', own],
      ['core_cpus_list', `${i}`],
      ['core_id', `${i}`],
      ['core_siblings', whole],
      ['core_siblings_list', all],
      ['package_cpus', whole],
      ['package_cpus_list', all],
      ['physical_package_id', '0'],
      ['thread_siblings', own],
      ['thread_siblings_list', `${i}`],
    ];
    for (const [name, text] of rows) sysfsText(k, topology, name, `${text}\n`);
  }
  const node = sysfs.mkdirs('devices/system/node');
  for (const name of ['online', 'possible', 'has_cpu', 'has_memory', 'has_normal_memory']) sysfsText(k, node, name, '0\n');
  const node0 = sysfs.mkdirs('devices/system/node/node0');
  sysfsText(k, node0, 'cpulist', `${all}\n`);
  sysfsText(k, node0, 'cpumap', `${hex(2 ** cpus - 1)}\n`);
  sysfsText(k, node0, 'distance', '10\n');
  nodeSysfsInit(k, node0);
}

const ueventSeqnum: Attribute = { show: (k) => `${k.drivers.model.ueventSeqnum}\n` };
const profiling: Attribute = { show: () => '0\n' };
function ksysfsInit(k: Kernel): void {
  const { sysfs } = k;
  const dir = sysfs.mkdirs('kernel');
  sysfsText(k, dir, 'address_bits', '64\n');
  sysfsText(k, dir, 'cpu_byteorder', 'little\n');
  sysfsText(k, dir, 'fscaps', '1\n');
  sysfsText(k, dir, 'oops_count', '0\n');
  sysfsText(k, dir, 'warn_count', '0\n');
  sysfsText(k, dir, 'kexec_loaded', '0\n');
  sysfsText(k, dir, 'kexec_crash_loaded', '0\n');
  sysfsText(k, dir, 'kexec_crash_size', '0\n', 0o644);
  sysfsText(k, dir, 'rcu_expedited', '0\n', 0o644);
  sysfsText(k, dir, 'rcu_normal', '0\n', 0o644);
  sysfs.createFile(dir, 'uevent_seqnum', 0o444, ueventSeqnum);
  sysfs.createFile(dir, 'profiling', 0o644, profiling);
  // Mount points for file systems that programs look for.
  for (const name of ['debug', 'tracing']) sysfs.mkdir(dir, name, 0o700);
  sysfs.mkdir(dir, 'security', 0o555);
  ksmInit(k, sysfs.mkdirs('kernel/mm/ksm'));
  slabSysfsInit(k);
  const cgroup = sysfs.mkdirs('fs');
  sysfs.mkdir(cgroup, 'cgroup', 0o755);
}

/** Same-page merging (mm/ksm.c) is there as it is before somebody starts it: it cannot be started. */
function ksmInit(k: Kernel, dir: KernfsNode): void {
  k.sysfs.createFile(dir, 'run', 0o644, { show: () => '0\n', store: (_k, _n, text) => (/^[02]\s*$/.test(text) ? 0 : -EOPNOTSUPP) });
  for (const name of ['full_scans', 'pages_scanned', 'pages_shared', 'pages_sharing', 'pages_unshared', 'pages_volatile', 'general_profit'])
    sysfsText(k, dir, name, '0\n');
}
const showActive: Attribute = { show: () => 'ttyS0\n' };
/** /sys/class/{mem,tty} and their devices. */
function classInit(k: Kernel): void {
  const { sysfs } = k;
  for (const d of memDeviceNames) deviceCreate(k, { class: 'mem', name: d.name, dev: makeDev(1, d.minor), mode: d.mode });
  const tty = (name: string, major: number, minor: number, mode?: number, parent?: string): KernfsNode | number =>
    deviceCreate(k, {
      class: 'tty',
      name,
      dev: makeDev(major, minor),
      ...(mode !== undefined ? { mode } : {}),
      ...(parent !== undefined ? { parent } : {}),
    });
  tty('tty', 5, 0, 0o666);
  const console = tty('console', 5, 1);
  if (typeof console !== 'number') sysfs.createFile(console, 'active', 0o444, showActive);
  tty('ptmx', 5, 2, 0o666);
  const tty0 = tty('tty0', 4, 0);
  if (typeof tty0 !== 'number') sysfsText(k, tty0, 'active', 'tty1\n');
  tty('tty1', 4, 1);
  const uart = tty('ttyS0', 4, 64, undefined, UART_DIR);
  if (typeof uart !== 'number') {
    const rows: readonly (readonly [string, string])[] = [
      ['close_delay', '50'],
      ['closing_wait', '3000'],
      ['console', 'Y'],
      ['custom_divisor', '0'],
      ['flags', '0xB9000000'],
      ['io_type', '2'],
      ['iomem_base', '0x10000000'],
      ['iomem_reg_shift', '0'],
      ['irq', '13'],
      ['line', '0'],
      ['port', '0x0'],
      ['type', '4'],
      ['uartclk', '3686400'],
      ['xmit_fifo_size', '16'],
    ];
    for (const [name, text] of rows) sysfsText(k, uart, name, `${text}\n`);
  }
  for (const name of ['misc', 'block', 'net']) sysfs.mkdirs(`class/${name}`);
}

/** driver_init and what follows it: fills /sys. */
export function driverInit(k: Kernel): void {
  cpuInit(k);
  ksysfsInit(k);
  classInit(k);
  modelInit(k);
  firmwareInit(k);
  firmwareUploadInit(k);
  inputInit(k);
  signingInit(k);
}
