import { EBUSY, EFAULT, EINVAL, ENODEV, ENOMEM } from '../../../abi/errno.ts';
import { class_struct as CLASS, fw_upload as UPLOAD, fw_upload_ops as OPS, work_struct as WORK } from '../../../abi/layout/structs.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { Attribute, KernfsNode } from '../../fs/sysfs/kernfs.ts';
import type { FileOperations } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { load32, load64, storeBytes } from '../../lib/guest_memory.ts';
import { initListHead } from '../../lib/list.ts';
import { writeKernel32, writeKernel64 } from '../../mm/maccess.ts';
import { vfree } from '../../mm/vmalloc.ts';
import { type DataExport, type FunctionExport, fn, internal } from '../../module/export.ts';
import { modulePut, tryModuleGet } from '../../module/module.ts';
import { before, runSteps, type Step, stepAction } from '../../module/steps.ts';
import { imageObject, symbolAddress } from '../../module/stubs.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { queueWork } from '../../workqueue.ts';
import { classRegister, createSteps, unregisterSteps } from './device.ts';
import { deviceLog } from './dev_printk.ts';
import { imageString } from './objects.ts';

// Firmware that user space writes to a device through sysfs (drivers/base/firmware_loader/sysfs_upload.c): a device of class firmware with files to write the
// contents to, and a work that hands them to the driver piece by piece.

/** enum fw_upload_prog. */
const PROGRESS = ['idle', 'receiving', 'preparing', 'transferring', 'programming'] as const;
type Progress = (typeof PROGRESS)[number];
/** enum fw_upload_err. */
const ERRORS = ['none', 'hw-error', 'timeout', 'user-abort', 'device-busy', 'invalid-file-size', 'read-write-error', 'flash-wearout', 'firmware-invalid'];
const CANCELED = 3;
const WORK_CPU_UNBOUND = 128;

/** One upload device. Plain data. */
interface Upload {
  /** struct fw_upload; behind it the work_struct and the word that write reports into. */
  readonly addr: number;
  readonly module: number;
  readonly ops: number;
  /** Of class firmware. */
  device: number;
  progress: Progress;
  /** Where and what went wrong last; '' = nothing. */
  error: string;
  /** Contents so far, while they are received. */
  received: Uint8Array;
  loading: boolean;
  /** Contents on their way to the driver, in vmalloc memory. */
  data: number;
  offset: number;
  remaining: number;
}
export type Uploads = Map<number, Upload>;
const WORK_AT = UPLOAD.sizeof;
const WRITTEN_AT = WORK_AT + WORK.sizeof;
const SIZE = WRITTEN_AT + 8;

const uploadOf = (k: Kernel, node: KernfsNode) => k.drivers.uploads.get(node.data as number);
function show(value: (u: Upload) => string): Attribute {
  return {
    show(k, node) {
      const u = uploadOf(k, node);
      return u === undefined ? -ENODEV : `${value(u)}\n`;
    },
  };
}
/** firmware_loading_store: 1 begins, 0 ends the contents and starts the upload, -1 gives up. */
function loadingStore(k: Kernel, node: KernfsNode, value: string): number {
  const u = uploadOf(k, node);
  if (u === undefined) return -ENODEV;
  // While an upload goes on nothing else can be loaded.
  if (u.progress !== 'idle') return 0;
  const wanted = Number.parseInt(value, 10) || 0;
  if (wanted === 1) {
    u.loading = true;
    u.received = new Uint8Array(0);
    return 0;
  }
  if (wanted === 0 && u.loading) {
    u.loading = false;
    return start(k, u);
  }
  if (wanted !== -1) deviceLog(k, 3, u.device, `firmware_loading_store: unexpected value (${wanted})\n`);
  u.loading = false;
  u.received = new Uint8Array(0);
  return 0;
}
/** fw_upload_start. */
function start(k: Kernel, u: Upload): number {
  const bytes = u.received;
  u.received = new Uint8Array(0);
  if (bytes.length === 0) return 0;
  const data = k.mm.vmalloc.alloc(k, bytes.length);
  if (data === 0) return -ENOMEM;
  storeBytes(k, data, bytes);
  u.data = data;
  u.offset = 0;
  u.remaining = bytes.length;
  u.error = '';
  u.progress = 'receiving';
  queueWork(k, WORK_CPU_UNBOUND, load64(k, symbolAddress(k, 'system_long_wq')), u.addr + WORK_AT);
  return 0;
}
const FILES: readonly (readonly [string, number, Attribute])[] = [
  ['loading', 0o644, { ...show((u) => (u.loading ? '1' : '0')), store: loadingStore }],
  ['status', 0o444, show((u) => u.progress)],
  [
    'error',
    0o444,
    {
      show(k, node) {
        const u = uploadOf(k, node);
        return u === undefined ? -ENODEV : u.progress !== 'idle' ? -EBUSY : u.error === '' ? '' : `${u.error}\n`;
      },
    },
  ],
  ['remaining_size', 0o444, show((u) => String(u.remaining))],
  [
    'cancel',
    0o200,
    {
      store(k, node, value) {
        const u = uploadOf(k, node);
        if (u === undefined || value.trim() !== '1') return -EINVAL;
        const idle = u.progress === 'idle' ? -ENODEV : 0;
        return runSteps(k, () => [{ call: load64(k, u.ops + OPS.cancel), args: [u.addr] }, { act: 'value', data: { value: idle } }]);
      },
    },
  ],
];
/** The file `data`: contents at the place that is written to. */
const dataOps: FileOperations = {
  read(k, file, iter, pos) {
    const u = uploadOf(k, file.inode.data as KernfsNode);
    if (u === undefined || u.progress !== 'idle') return -ENODEV;
    return iter.copyTo(k, u.received.subarray(pos));
  },
  write(k, file, iter, pos) {
    const u = uploadOf(k, file.inode.data as KernfsNode);
    if (u === undefined || u.progress !== 'idle') return -ENODEV;
    const bytes = iter.copyFrom(k, Math.min(iter.count, 4096));
    if (typeof bytes === 'number') return bytes;
    const all = new Uint8Array(Math.max(u.received.length, pos + bytes.length));
    all.set(u.received);
    all.set(bytes, pos);
    u.received = all;
    return bytes.length;
  },
};

/** fw_upload_main: prepare, write until nothing remains, poll_complete, cleanup. */
function mainSteps(k: Kernel, addr: number): Step[] {
  const u = k.drivers.uploads.get(addr);
  if (u === undefined) return [];
  const owner = k.modules.byAddr.get(u.module);
  if (owner !== undefined && !tryModuleGet(owner)) return [{ act: 'upload_end', data: { addr, result: CANCELED, prepared: 0 } }];
  u.progress = 'preparing';
  return [{ call: load64(k, u.ops + OPS.prepare), args: [addr, u.data, u.remaining] }, { act: 'upload_prepared', data: { addr } }];
}
stepAction('upload_prepared', (k, data, state) => {
  const addr = data['addr'] as number;
  const u = k.drivers.uploads.get(addr);
  if (u === undefined) return;
  if (state.result !== 0) before(state, { act: 'upload_end', data: { addr, result: state.result, prepared: 0 } });
  else {
    u.progress = 'transferring';
    before(state, { act: 'upload_write', data });
  }
});
stepAction('upload_write', (k, data, state) => {
  const addr = data['addr'] as number;
  const u = k.drivers.uploads.get(addr);
  if (u === undefined) return;
  if (u.remaining > 0) {
    before(state, { call: load64(k, u.ops + OPS.write), args: [addr, u.data, u.offset, u.remaining, addr + WRITTEN_AT] }, { act: 'upload_written', data });
    return;
  }
  u.progress = 'programming';
  before(state, { call: load64(k, u.ops + OPS.poll_complete), args: [addr] }, { act: 'upload_done', data });
});
stepAction('upload_written', (k, data, state) => {
  const addr = data['addr'] as number;
  const u = k.drivers.uploads.get(addr);
  if (u === undefined) return;
  const written = load32(k, addr + WRITTEN_AT);
  if (state.result !== 0 || written === 0) {
    // A driver that takes nothing is a driver in error.
    const result = state.result !== 0 ? state.result : ERRORS.indexOf('read-write-error');
    if (state.result === 0) deviceLog(k, 4, u.device, 'write-op wrote zero data\n');
    before(state, { act: 'upload_end', data: { addr, result, prepared: 1 } });
    return;
  }
  u.offset += written;
  u.remaining -= Math.min(written, u.remaining);
  before(state, { act: 'upload_write', data: { addr } });
});
stepAction('upload_done', (_k, data, state) => before(state, { act: 'upload_end', data: { ...data, result: state.result, prepared: 1 } }));
stepAction('upload_end', (k, data, state) => {
  const addr = data['addr'] as number;
  const u = k.drivers.uploads.get(addr);
  if (u === undefined) return;
  const result = data['result'] as number;
  if (result !== 0) u.error = `${u.progress}:${ERRORS[result] ?? 'unknown'}`;
  const cleanup = data['prepared'] === 1 ? load64(k, u.ops + OPS.cleanup) : 0;
  before(state, { call: cleanup, args: [addr] }, { act: 'upload_idle', data: { addr } });
});
stepAction('upload_idle', (k, data) => {
  const u = k.drivers.uploads.get(data['addr'] as number);
  if (u === undefined) return;
  const owner = k.modules.byAddr.get(u.module);
  if (owner !== undefined) modulePut(owner);
  vfree(k, u.data);
  u.data = 0;
  // What is left says how far an upload came that failed.
  u.progress = 'idle';
});

/** firmware_upload_register: struct fw_upload, or -errno as a pointer. */
function register(k: Kernel, module: number, parent: number, name: number, ops: number, handle: number): Step[] | number {
  const title = text(k, name, 256);
  const all = [OPS.prepare, OPS.write, OPS.poll_complete, OPS.cancel].every((at) => ops !== 0 && load64(k, ops + at) !== 0);
  if (title === '') return -EINVAL;
  if (!all) {
    deviceLog(k, 3, parent, 'Attempt to register without all required ops\n');
    return -EINVAL;
  }
  const owner = k.modules.byAddr.get(module);
  if (owner !== undefined && !tryModuleGet(owner)) return -EFAULT;
  const addr = kzalloc(k, SIZE);
  if (addr === 0) return -ENOMEM;
  writeKernel64(k, addr + UPLOAD.dd_handle, handle);
  initListHead(k, addr + WORK_AT + WORK.entry);
  writeKernel64(k, addr + WORK_AT + WORK.func, symbolAddress(k, 'fw_upload_main'));
  writeKernel32(k, addr + WRITTEN_AT, 0);
  k.drivers.uploads.set(addr, { addr, module, ops, device: 0, progress: 'idle', error: '', received: new Uint8Array(0), loading: false, data: 0, offset: 0, remaining: 0 });
  const steps = createSteps(k, symbolAddress(k, 'firmware_class'), parent, 0, 0, 0, title);
  return [...(typeof steps === 'number' ? [] : steps), { act: 'upload_added', data: { addr } }];
}
stepAction('upload_added', (k, data, state) => {
  const addr = data['addr'] as number;
  const u = k.drivers.uploads.get(addr);
  const device = state.value;
  const dir = k.drivers.model.dirs.get(device);
  if (u === undefined || dir === undefined) {
    forget(k, addr);
    state.value = device < 0 ? device : -ENOMEM;
    return;
  }
  u.device = device;
  for (const [name, mode, attr] of FILES) k.sysfs.createFile(dir, name, mode, attr, addr);
  k.sysfs.createFile(dir, 'data', 0o644, { size: 0 }, addr, dataOps);
  state.value = addr;
});
function forget(k: Kernel, addr: number): void {
  const u = k.drivers.uploads.get(addr);
  if (u === undefined) return;
  k.drivers.uploads.delete(addr);
  kfree(k, addr);
  const owner = k.modules.byAddr.get(u.module);
  if (owner !== undefined) modulePut(owner);
}
/** firmware_upload_unregister: what is on its way is cancelled and waited for. */
function unregister(k: Kernel, addr: number): number | undefined {
  const u = k.drivers.uploads.get(addr);
  if (u === undefined) return undefined;
  const r = runSteps(k, () => {
    const busy = u.progress !== 'idle';
    return [
      ...(busy ? [{ call: load64(k, u.ops + OPS.cancel), args: [addr] }, { call: symbolAddress(k, 'flush_work'), args: [addr + WORK_AT] }] : []),
      ...unregisterSteps(u.device),
      { act: 'upload_forget', data: { addr } },
    ];
  });
  return r === BLOCKED ? BLOCKED : undefined;
}
stepAction('upload_forget', (k, data) => forget(k, data['addr'] as number));

export const firmwareUploadExports: readonly FunctionExport[] = [
  fn('firmware_upload_register', (k, module, parent, name, ops, handle) => runSteps(k, () => register(k, module, parent, name, ops, handle))),
  fn('firmware_upload_unregister', unregister),
  internal('fw_upload_main', (k, work) => {
    const r = runSteps(k, () => mainSteps(k, work - WORK_AT));
    return r === BLOCKED ? BLOCKED : undefined;
  }),
];
export const firmwareUploadDataExports: readonly DataExport[] = [
  {
    name: 'firmware_class',
    internal: true,
    place(k) {
      const at = imageObject(k, CLASS.sizeof, 8);
      writeKernel64(k, at + CLASS.name, imageString(k, 'firmware'));
      return at;
    },
  },
];
/** register_sysfs_loader: /sys/class/firmware. */
export function firmwareUploadInit(k: Kernel): void {
  classRegister(k, symbolAddress(k, 'firmware_class'));
}
