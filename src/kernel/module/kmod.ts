import { ENAMETOOLONG, ENOENT } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { text } from '../lib/access.ts';
import { pointerArray } from '../lib/list.ts';
import { callArguments } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';
import { callUsermodeHelper } from '../usermode_helper.ts';
import { type FunctionExport, fn } from './export.ts';

// request_module (kernel/module/kmod.c): the kernel asks user space for a module, by running the program named in kernel.modprobe.

const MODULE_NAME_LEN = 56;
const UMH_WAIT_EXEC = 1;
const UMH_WAIT_PROC = 2;
const UMH_KILLABLE = 4;
const ENVIRONMENT = ['HOME=/', 'TERM=linux', 'PATH=/sbin:/usr/sbin:/bin:/usr/bin'];

/** 0, the program's wait status, -errno, or BLOCKED. */
export function requestModule(k: Kernel, name: string, wait = true): number {
  if (k.modprobePath === '') return -ENOENT;
  if (name.length >= MODULE_NAME_LEN) return -ENAMETOOLONG;
  const argv = [k.modprobePath, '-q', '--', name];
  return callUsermodeHelper(k, k.modprobePath, argv, ENVIRONMENT, UMH_KILLABLE | (wait ? UMH_WAIT_PROC : UMH_WAIT_EXEC));
}
export const kmodExports: readonly FunctionExport[] = [
  fn('__request_module', (k, wait, fmt) => requestModule(k, vsnprintf(k, text(k, fmt, 4096), callArguments(k, 2)), wait % 256 !== 0)),
  fn('call_usermodehelper', (k, path, argv, envp, wait) => {
    const strings = (at: number) => pointerArray(k, at).map((p) => text(k, p));
    return callUsermodeHelper(k, text(k, path, 4096), strings(argv), strings(envp), wait | 0);
  }),
];
