import { SYMVERS } from '../../abi/symvers.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import type { Kernel } from '../kernel.ts';
import { bitmapExports } from '../lib/bitmap.ts';
import { idrExports } from '../lib/idr.ts';
import { libraryDataExports, libraryExports } from '../lib/library.ts';
import { libExports } from '../lib/exports.ts';
import { imageListHead } from '../lib/list.ts';
import { randomExports } from '../lib/random.ts';
import { refcountExports } from '../lib/refcount.ts';
import { assemble } from '../lib/assembler.ts';
import { KERNEL_LINK_ADDR, virtToImage } from '../mm/address.ts';
import { mmDataExports, mmExports } from '../mm/exports.ts';
import { IMAGE_TEXT_SIZE } from '../mm/mm.ts';
import { printkExports } from '../printk/exports.ts';
import { percpuDataExports, percpuExports } from '../mm/percpu.ts';
import { softirqExports } from '../irq/softirq.ts';
import { fpuExports } from '../kernel_mode_fpu.ts';
import { kprobeExports } from '../kprobes/kprobes.ts';
import { traceExports } from '../trace/trace_printk.ts';
import { hungTaskExports } from '../hung_task.ts';
import { kthreadExports } from '../kthread.ts';
import { kthreadWorkerExports } from '../kthread_worker.ts';
import { mutexExports } from '../locking/mutex.ts';
import { rwsemExports } from '../locking/rwsem.ts';
import { semaphoreExports } from '../locking/semaphore.ts';
import { spinlockExports } from '../locking/spinlock.ts';
import { sysctlDataExports, sysctlExports } from '../sysctl.ts';
import { netClassExports } from '../net/core/dev_proc.ts';
import { netdevDataExports, netdevExports } from '../net/core/netdev_exports.ts';
import { pernetExports } from '../net/core/pernet.ts';
import { rtnlDataExports } from '../net/core/rtnl_lock.ts';
import { skbExports } from '../net/core/skb_alloc.ts';
import { netlinkExports } from '../net/netlink/kernel_sock.ts';
import { notifierDataExports, notifierExports } from '../notifier.ts';
import { rcuExports } from '../rcu/rcu.ts';
import { completionExports } from '../sched/completion.ts';
import { schedDataExports, schedExports } from '../sched/exports.ts';
import { taskDataExports, taskExports } from '../sched/task_exports.ts';
import { waitExports } from '../sched/waitqueue.ts';
import { delayExports } from '../time/delay.ts';
import { timerExports } from '../time/timer.ts';
import { workqueueDataExports, workqueueExports } from '../workqueue.ts';
import { timeDataExports, timeExports } from '../time/exports.ts';
import { auditDataExports, auditExports } from '../audit.ts';
import { baseExports } from '../drivers/base/exports.ts';
import { i2cExports } from '../drivers/i2c/i2c_core.ts';
import { devPrintkExports } from '../drivers/base/dev_printk.ts';
import { driverExports } from '../drivers/exports.ts';
import { inputExports } from '../drivers/input/exports.ts';
import { inputDataExports } from '../drivers/input/input.ts';
import { ledDataExports, ledExports } from '../drivers/leds/triggers.ts';
import { firmwareUploadDataExports, firmwareUploadExports } from '../drivers/base/firmware_upload.ts';
import { firmwareExports } from '../drivers/base/firmware.ts';
import { kobjectExports } from '../drivers/base/kobject_exports.ts';
import { modelDataExports } from '../drivers/base/objects.ts';
import { platformExports } from '../drivers/base/platform.ts';
import { fsExports } from '../fs/exports.ts';
import { modfsDataExports, modfsExports } from '../fs/modfs/exports.ts';
import { nlsDataExports, nlsExports } from '../fs/nls_base.ts';
import { cryptoDataExports, cryptoExports } from '../crypto/exports.ts';
import { waitBitDataExports, waitBitExports } from '../sched/wait_bit.ts';
import { iovExports } from '../lib/iov_exports.ts';
import { stringExports } from '../lib/string_exports.ts';
import { procExports } from '../fs/proc/module_entries.ts';
import { sysctlTableExports } from '../fs/proc/module_sysctl.ts';
import { seqExports } from '../fs/seq_file.ts';
import { debugfsExports } from '../fs/debugfs/debugfs.ts';
import { debugValueExports } from '../fs/debugfs/values.ts';
import { simpleAttrExports } from '../fs/debugfs/simple_attr.ts';
import { fasyncExports } from '../fs/module_fasync.ts';
import { pollExports } from '../fs/module_poll.ts';
import { uaccessExports } from '../mm/uaccess_exports.ts';
import { coreExports } from './core_exports.ts';
import type { DataExport, ExportedSymbol, ExportText, FunctionExport } from './export.ts';
import { newParamLock, paramLockExports } from './param_lock.ts';
import { paramDataExports, paramExports } from './params.ts';
import type { ModuleState } from './state.ts';
import { jumpLabelExports } from './jump_label.ts';
import { kmodExports } from './kmod.ts';
import { ECALL, STUB_SIZE, trapAtEntry } from './stubs.ts';

// The table of exported symbols, and their addresses: each function has a stub in the kernel image, 16 bytes that hold an ecall.

/** Every exported function, for documents and for dispatch. */
export function allFunctionExports(): readonly FunctionExport[] {
  return [
    ...auditExports,
    ...baseExports,
    ...i2cExports,
    ...bitmapExports,
    ...completionExports,
    ...coreExports,
    ...debugfsExports,
    ...debugValueExports,
    ...delayExports,
    ...devPrintkExports,
    ...driverExports,
    ...fasyncExports,
    ...firmwareExports,
    ...firmwareUploadExports,
    ...fpuExports,
    ...fsExports,
    ...modfsExports,
    ...idrExports,
    ...inputExports,
    ...ledExports,
    ...libraryExports,
    ...cryptoExports,
    ...nlsExports,
    ...jumpLabelExports,
    ...waitBitExports,
    ...iovExports,
    ...kmodExports,
    ...kobjectExports,
    ...kprobeExports,
    ...hungTaskExports,
    ...traceExports,
    ...kthreadExports,
    ...kthreadWorkerExports,
    ...libExports,
    ...mmExports,
    ...mutexExports,
    ...netdevExports,
    ...netlinkExports,
    ...pernetExports,
    ...notifierExports,
    ...paramExports,
    ...paramLockExports,
    ...percpuExports,
    ...platformExports,
    ...pollExports,
    ...printkExports,
    ...procExports,
    ...randomExports,
    ...rcuExports,
    ...refcountExports,
    ...rwsemExports,
    ...schedExports,
    ...semaphoreExports,
    ...seqExports,
    ...simpleAttrExports,
    ...skbExports,
    ...softirqExports,
    ...spinlockExports,
    ...stringExports,
    ...sysctlExports,
    ...sysctlTableExports,
    ...taskExports,
    ...timeExports,
    ...timerExports,
    ...uaccessExports,
    ...waitExports,
    ...workqueueExports,
  ];
}
export function allDataExports(): readonly DataExport[] {
  return [
    ...auditDataExports,
    ...firmwareUploadDataExports,
    ...inputDataExports,
    ...ledDataExports,
    ...libraryDataExports,
    ...cryptoDataExports,
    ...nlsDataExports,
    ...waitBitDataExports,
    ...mmDataExports,
    ...modfsDataExports,
    ...modelDataExports,
    ...netClassExports,
    ...netdevDataExports,
    ...rtnlDataExports,
    ...notifierDataExports,
    ...paramDataExports,
    ...percpuDataExports,
    ...schedDataExports,
    ...sysctlDataExports,
    ...taskDataExports,
    ...timeDataExports,
    ...workqueueDataExports,
  ];
}

// Behind the first 767 KiB of the image's text: modules begin 4 MiB, the reach of the machine's TLB, further, and a module's page in the same entry as the
// stubs would make every call and every return miss.
const RETURN_STUB_OFFSET = 0xb_f000;
const TEXT_OFFSET = RETURN_STUB_OFFSET + 0x100;
/** Room for the machine code of one function. */
const TEXT_SIZE = 0x200;
const FIRST_STUB_OFFSET = 0xc_2000;

/** Lays out stubs and objects (the kernel image's symbol table). */
export function exportInit(k: Kernel): void {
  const listHead = imageListHead(k);
  const rows = [...allFunctionExports()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const stubs = rows.filter((row) => row.text === undefined);
  const withText = rows.filter((row) => row.text !== undefined);
  if (FIRST_STUB_OFFSET + stubs.length * STUB_SIZE > IMAGE_TEXT_SIZE || TEXT_OFFSET + withText.length * TEXT_SIZE > FIRST_STUB_OFFSET)
    throw new Error('too many exported functions');
  const firstStub = KERNEL_LINK_ADDR + FIRST_STUB_OFFSET;
  k.ram.write32(RAM_BASE + RETURN_STUB_OFFSET, ECALL);
  const symbols = new Map<string, ExportedSymbol>();
  const add = (name: string, addr: number, size: number, isFunction: boolean, exported = true) => {
    if (symbols.has(name)) throw new Error(`two rows for the exported symbol ${name}`);
    const known = SYMVERS[name];
    symbols.set(name, { name, addr, size, isFunction, gpl: known?.[1] === 1, crc: known?.[0] ?? null, exported });
  };
  for (const row of [...bitmapExports, ...idrExports, ...libExports, ...refcountExports, ...stringExports])
    k.kprobes.untraced.add(row.name);
  stubs.forEach((row, i) => {
    k.ram.write32(RAM_BASE + FIRST_STUB_OFFSET + i * STUB_SIZE, ECALL);
    add(row.name, firstStub + i * STUB_SIZE, STUB_SIZE, true, row.internal !== true);
  });
  const textAt = (i: number) => KERNEL_LINK_ADDR + TEXT_OFFSET + i * TEXT_SIZE;
  const texts = new Map<number, FunctionExport>();
  const textEcalls = new Map<number, FunctionExport>();
  const entryWords = new Map<number, number>();
  withText.forEach((row, i) => {
    texts.set(textAt(i), row);
    add(row.name, textAt(i), TEXT_SIZE, true, row.internal !== true);
  });
  const state: ModuleState = {
    textStart: textAt(0),
    returnStub: KERNEL_LINK_ADDR + RETURN_STUB_OFFSET,
    firstStub,
    stubs,
    texts,
    textEcalls,
    entryWords,
    symbols,
    byAddress: [],
    listHead,
    byAddr: new Map(),
    lastUnloaded: '',
    disabled: false,
    unsignedSaid: false,
    sigEnforce: false,
    noVersionSaid: false,
    forcedName: '',
    charpCopies: new Set(),
    builtinParams: newParamLock(),
  };
  // Objects may hold addresses of stubs (param_ops_int.set), so they come second.
  k.modules = state;
  for (const row of allDataExports()) add(row.name, row.place(k), 0, false, row.internal !== true);
  withText.forEach((row, i) => {
    const { source, constants } = row.text as ExportText;
    const at = textAt(i);
    // Memory checks want to see each call.
    const { words } = assemble(source, at, constants(k));
    if (words.length * 4 > TEXT_SIZE) throw new Error(`the code of ${row.name} is too long`);
    for (const [n, word] of words.entries()) k.ram.write32(virtToImage(at) + n * 4, word);
    textEcalls.set(at + words.length * 4 - 4, row);
    entryWords.set(at, k.mm.check === null ? words[0] : ECALL);
    trapAtEntry(k, at, false);
  });
  const byAddress = [...symbols.values()].sort((a, b) => a.addr - b.addr);
  k.modules = { ...state, byAddress };
}
