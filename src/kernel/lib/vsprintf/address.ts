import { KERNEL_ERRNO } from '../../../abi/errname.ts';
import { errnoName } from '../../../abi/errno.ts';
import { CAP_SYSLOG } from '../../../abi/sched.ts';
import { type SymbolStyle, sprintSymbol } from '../../kallsyms.ts';
import { siphash1u64 } from '../siphash.ts';
import { address, type Context, errorText, isErr, number, plain, SIGN, SMALL, type Spec, stringAt, ZEROPAD } from './spec.ts';

// Pointers as numbers, names and errors: %p %px %pK %pe %pS %ps %pB %pks %pus.

/** All 16 digits unless the field says otherwise. */
export function pointerText(ptr: bigint, s: Spec): string {
  const flags = s.flags | SMALL;
  return number(ptr, s.width === -1 ? { ...s, base: 16, width: 16, flags: flags | ZEROPAD } : { ...s, base: 16, flags });
}
/** %p: a hash that tells pointers apart without saying where they point (or the pointer itself with no_hash_pointers). */
export function hiddenPointer(ctx: Context, ptr: bigint, s: Spec): string {
  const { pointers } = ctx.k;
  if (pointers.noHash || ptr === 0n || isErr(ptr)) return pointerText(ptr, s);
  return pointerText(siphash1u64(ptr, pointers.key(ctx.k)) & 0xffff_ffffn, s);
}
/** %pK: what kernel.kptr_restrict allows. */
export function restrictedPointer(ctx: Context, ptr: bigint, s: Spec): string {
  const { kptrRestrict } = ctx.k.pointers;
  if (kptrRestrict === 0) return hiddenPointer(ctx, ptr, s);
  if (kptrRestrict > 1) return pointerText(0n, s);
  const { cred } = ctx.k.current;
  const allowed = ctx.k.current.capable(CAP_SYSLOG) && cred.euid === cred.uid && cred.egid === cred.gid;
  return pointerText(allowed ? ptr : 0n, s);
}

const INTERNAL = new Map(KERNEL_ERRNO);
/** %pe: the name of the error in a pointer. */
export function errorPointer(ctx: Context, ptr: bigint, s: Spec): string {
  if (!isErr(ptr)) return hiddenPointer(ctx, ptr, s);
  const errno = Number(-BigInt.asIntN(64, ptr));
  const name = INTERNAL.get(errno) ?? errnoName(errno);
  return name.startsWith('E') ? plain(`-${name}`, s) : number(ptr, { ...s, flags: s.flags | SIGN, base: 10 });
}

/** %pS, %ps, %pB; a following R (the real return address) changes nothing on RISC-V. */
export function symbol(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  return plain(sprintSymbol(ctx.k, address(ptr), fmt[0] as SymbolStyle), s);
}

/** %pks, %pus: a string whose address was checked before. */
export function userOrKernelString(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  return fmt[1] === 's' ? stringAt(ctx, ptr, s) : errorText('(einval)', s);
}
