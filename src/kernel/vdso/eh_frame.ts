// How to unwind from the vDSO's functions: DWARF call frame information as .eh_frame and .eh_frame_hdr hold it (Linux Standard Base, "Exception Frames").

import { ByteWriter } from './byte_writer.ts';

export interface UnwindEntry {
  readonly start: number;
  readonly size: number;
  /** The return from signal handlers: the frame above is what was interrupted. */
  readonly signal: boolean;
}

const DW_EH_PE_PCREL_SDATA4 = 0x1b;
const DW_EH_PE_UDATA4 = 0x03;
const DW_EH_PE_DATAREL_SDATA4 = 0x3b;
const DW_CFA_DEF_CFA = 0x0c;
const [RA, SP] = [1, 2];

/** A record: its length, `id` (of its own place), and what `body` writes, padded with DW_CFA_nop (0). Returns where it starts. */
function record(f: ByteWriter, id: (at: number) => number, body: () => void): number {
  const start = f.length;
  f.u32(0, id(start + 4));
  body();
  while ((f.length - start) % 8 !== 0) f.u8(0);
  f.patch32(start, f.length - start - 4);
  return start;
}

/** .eh_frame at address `base`: a CIE for plain functions and one for signal frames; the functions use no stack, so there is nothing else to say. */
export function ehFrame(functions: readonly UnwindEntry[], base: number): { bytes: Uint8Array; entries: readonly number[] } {
  const f = new ByteWriter();
  const cie = (augmentation: string) =>
    record(
      f,
      () => 0,
      () => {
        f.u8(1, ...[...`${augmentation}\0`].map((c) => c.charCodeAt(0)));
        // Code in units of 1, data in units of -4 (signed LEB128), the return address in ra, and how addresses are written.
        f.u8(1, 0x7c, RA, 1, DW_EH_PE_PCREL_SDATA4, DW_CFA_DEF_CFA, SP, 0);
      },
    );
  const plain = cie('zR');
  const signal = cie('zRS');
  const entries = functions.map((fn) =>
    record(
      f,
      (at) => at - (fn.signal ? signal : plain),
      () => {
        f.u32(fn.start - (base + f.length));
        f.u32(fn.size);
        f.u8(0);
      },
    ),
  );
  f.u32(0);
  return { bytes: f.bytes, entries: entries.map((at) => base + at) };
}

/** The sorted table that finds the record of a function, at address `base`. */
export function ehFrameHdr(functions: readonly UnwindEntry[], entries: readonly number[], frame: number, base: number): Uint8Array {
  const f = new ByteWriter();
  f.u8(1, DW_EH_PE_PCREL_SDATA4, DW_EH_PE_UDATA4, DW_EH_PE_DATAREL_SDATA4);
  f.u32(frame - (base + 4));
  f.u32(functions.length);
  functions.forEach((fn, i) => {
    f.u32(fn.start - base);
    f.u32(entries[i] - base);
  });
  return f.bytes;
}
