import { EAGAIN, EINVAL, EOPNOTSUPP } from '../../../abi/errno.ts';
import { i2c_adapter as ADAPTER, i2c_algorithm as ALGORITHM, i2c_client as CLIENT, i2c_msg as MSG } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { load32, load64, store32, store64 } from '../../lib/guest_memory.ts';
import { callAnswered, stackBlock } from '../../module/call.ts';
import { type FunctionExport, partial } from '../../module/export.ts';
import { before, runSteps, type Step, stepAction } from '../../module/steps.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { warnInExport } from '../../traps.ts';

// Messages to devices on an I2C bus (drivers/i2c/i2c-core-base.c): an adapter's own function transfers them, under the adapter's lock, and again while
// it says that the bus was lost to another master.

const I2C_LOCK_SEGMENT = 2;
const I2C_M_TEN = 0x10;
/** struct i2c_lock_operations: lock_bus, trylock_bus, unlock_bus. */
const LOCK_BUS = 0;
const UNLOCK_BUS = 16;
const MISSING = 'adapters cannot be registered; quirks and suspended adapters are not looked at';

const transferOf = (k: Kernel, adapter: number) => {
  const algo = load64(k, adapter + ADAPTER.algo);
  return algo === 0 ? 0 : load64(k, algo + ALGORITHM.xfer);
};
function attempt(adapter: number, msgs: number, num: number, tries: number, until: number, stack: number): Step {
  return { act: 'i2cTry', data: { adapter, msgs, num, tries, until, stack } };
}
stepAction('i2cTry', (k, data, state) => {
  const [adapter, msgs, num] = [data['adapter'] as number, data['msgs'] as number, data['num'] as number];
  // A message on the stack stays there for each call.
  if ((data['stack'] as number) > 0) stackBlock(k, data['stack'] as number);
  before(state, { call: transferOf(k, adapter), args: [adapter, msgs, num] }, { act: 'i2cTried', data });
});
stepAction('i2cTried', (k, data, state) => {
  state.value = state.result;
  const [adapter, tries, until] = [data['adapter'] as number, data['tries'] as number, data['until'] as number];
  const again = state.result === -EAGAIN && tries < (load32(k, adapter + ADAPTER.retries) | 0) && k.time.jiffies <= until;
  if (again) before(state, attempt(adapter, data['msgs'] as number, data['num'] as number, tries + 1, until, data['stack'] as number));
});
/** i2c_transfer: how many messages were transferred, -errno, or BLOCKED. */
function transfer(k: Kernel, adapter: number, msgs: number, num: number, locked: boolean, stack = 0): number {
  return runSteps(k, () => {
    if (transferOf(k, adapter) === 0) return -EOPNOTSUPP;
    if (msgs === 0 || (num | 0) < 1) {
      warnInExport(k, '');
      return -EINVAL;
    }
    const ops = locked ? 0 : load64(k, adapter + ADAPTER.lock_ops);
    const lock = (at: number): Step[] => (ops === 0 ? [] : [{ call: load64(k, ops + at), args: [adapter, I2C_LOCK_SEGMENT] }]);
    const until = k.time.jiffies + (load32(k, adapter + ADAPTER.timeout) | 0);
    return [...lock(LOCK_BUS), attempt(adapter, msgs, num | 0, 0, until, stack), ...lock(UNLOCK_BUS)];
  });
}

export const i2cExports: readonly FunctionExport[] = [
  partial('i2c_transfer', MISSING, (k, adapter, msgs, num) => transfer(k, adapter, msgs, num, false)),
  partial('__i2c_transfer', MISSING, (k, adapter, msgs, num) => transfer(k, adapter, msgs, num, true)),
  // (client, buffer, count, flags): one message; the count when it went through.
  partial('i2c_transfer_buffer_flags', MISSING, (k, client, buffer, count, flags) => {
    const msg = stackBlock(k, MSG.sizeof);
    if (!callAnswered(k)) {
      const own = load32(k, client + CLIENT.flags);
      store32(k, msg + MSG.addr, (own >>> 16) | (((flags & 0xffff) | (own & I2C_M_TEN)) << 16));
      store32(k, msg + MSG.len, count & 0xffff);
      store64(k, msg + MSG.buf, buffer);
    }
    const r = transfer(k, load64(k, client + CLIENT.adapter), msg, 1, false, MSG.sizeof);
    return r === BLOCKED ? BLOCKED : r === 1 ? count : r;
  }),
];
