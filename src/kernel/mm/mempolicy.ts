import { EFAULT, EINVAL } from '../../abi/errno.ts';
import { MPOL_DEFAULT, MPOL_F_ADDR, MPOL_F_MEMS_ALLOWED, MPOL_F_NODE } from '../../abi/mempolicy.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';
import type { MmStruct } from './mm_struct.ts';
import { clearUser, putUser32, putUser64, userPage } from './uaccess.ts';

// Which node memory comes from (mm/mempolicy.c). There is one node, and no call that sets a policy, so every policy is the default one.

/** The only node. */
const NODE = 0;
const WORD = 8;

/** get_mempolicy. */
export function getMempolicy(k: Kernel, mm: MmStruct, policy: number, nodes: number, maxnode: number, addr: number, flags: number): number {
  if ((flags & ~(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED)) !== 0) return -EINVAL;
  if (nodes !== 0 && maxnode < 1) return -EINVAL;
  let mask = 0;
  let value = MPOL_DEFAULT;
  if ((flags & MPOL_F_MEMS_ALLOWED) !== 0) {
    if ((flags & (MPOL_F_NODE | MPOL_F_ADDR)) !== 0) return -EINVAL;
    mask = 1 << NODE;
  } else if ((flags & MPOL_F_ADDR) !== 0) {
    if (!mm.vmas.some((v) => addr >= v.start && addr < v.end)) return -EFAULT;
    if ((flags & MPOL_F_NODE) !== 0) {
      const page = userPage(k, addr, Access.READ);
      if (page === 0) return -EFAULT;
      value = NODE;
    }
  } else if (addr !== 0 || (flags & MPOL_F_NODE) !== 0) return -EINVAL;
  if (policy !== 0 && putUser32(k, policy, value) < 0) return -EFAULT;
  return nodes === 0 ? 0 : putNodes(k, nodes, maxnode, mask);
}
/** copy_nodes_to_user: whole words; what lies beyond the first is cleared. */
function putNodes(k: Kernel, nodes: number, maxnode: number, mask: number): number {
  const bytes = Math.ceil((maxnode - 1) / 64) * WORD;
  if (bytes > PAGE_SIZE) return -EINVAL;
  if (bytes > WORD && clearUser(k, nodes + WORD, bytes - WORD) !== 0) return -EFAULT;
  return bytes > 0 && putUser64(k, nodes, mask) < 0 ? -EFAULT : 0;
}
