import type { ExportText } from '../module/export.ts';

// What every list_add and list_del of a module calls in Debian's kernel (CONFIG_LIST_HARDENED, CONFIG_DEBUG_LIST), as machine code: a list in order answers 1,
// the report of any other is TypeScript's (module/core_exports.ts).

/** __list_add_valid_or_report(new, prev, next). */
const ADD = `
  beqz a1, slow
  beqz a2, slow
  ld   t0, 8(a2)
  bne  t0, a1, slow
  ld   t0, 0(a1)
  bne  t0, a2, slow
  beq  a0, a1, slow
  beq  a0, a2, slow
  li   a0, 1
  ret
slow:
  ecall`;

/** __list_del_entry_valid_or_report(entry). */
const DEL = `
  ld   t0, 0(a0)
  ld   t1, 8(a0)
  beqz t0, slow
  beqz t1, slow
# LIST_POISON1 and LIST_POISON2: 0xdead000000000100, and 34 more.
  li   t2, poison
  slli t2, t2, 48
  addi t3, t2, 256
  beq  t0, t3, slow
  addi t3, t2, 290
  beq  t1, t3, slow
  ld   t2, 0(t1)
  bne  t2, a0, slow
  ld   t2, 8(t0)
  bne  t2, a0, slow
  li   a0, 1
  ret
slow:
  ecall`;

const text = (source: string): ExportText => ({ source, constants: () => ({ poison: 0xdead - 0x1_0000 }) });
export const listAddText = text(ADD);
export const listDelText = text(DEL);
