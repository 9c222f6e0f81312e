import { isPrint } from './ctype.ts';
import { hex2 } from './vsprintf/bytes.ts';

// Bytes as lines of hexadecimal numbers (lib/hexdump.c).

/** One line of up to 16 or 32 bytes in groups of 1, 2, 4 or 8 (little-endian numbers), with the characters behind them (hex_dump_to_buffer). */
export function hexDumpLine(bytes: Uint8Array, rowSize: number, groupSize: number, ascii: boolean): string {
  const row = rowSize === 32 ? 32 : 16;
  const line = bytes.subarray(0, row);
  let group = [1, 2, 4, 8].includes(groupSize) ? groupSize : 1;
  if (line.length % group !== 0) group = 1;
  const parts: string[] = [];
  for (let i = 0; i < line.length; i += group) parts.push([...line.subarray(i, i + group)].reverse().map(hex2).join(''));
  const text = parts.join(' ');
  if (!ascii || line.length === 0) return text;
  const column = row * 2 + row / group + 1;
  return text.padEnd(column) + [...line].map((c) => (c < 128 && isPrint(c) ? String.fromCharCode(c) : '.')).join('');
}

export const DUMP_PREFIX_NONE = 0;
export const DUMP_PREFIX_ADDRESS = 1;
export const DUMP_PREFIX_OFFSET = 2;

export interface HexDump {
  readonly prefix: string;
  /** DUMP_PREFIX_*. */
  readonly prefixType: number;
  readonly rowSize: number;
  readonly groupSize: number;
  readonly ascii: boolean;
}
/** The lines of print_hex_dump, without level. `pointer` gives the text of the address `offset` bytes on, as %p prints it. */
export function hexDump(bytes: Uint8Array, how: HexDump, pointer: (offset: number) => string): string[] {
  const row = how.rowSize === 32 ? 32 : 16;
  const lines: string[] = [];
  for (let i = 0; i < bytes.length; i += row) {
    const text = hexDumpLine(bytes.subarray(i, i + row), row, how.groupSize, how.ascii);
    if (how.prefixType === DUMP_PREFIX_ADDRESS) lines.push(`${how.prefix}${pointer(i)}: ${text}`);
    else if (how.prefixType === DUMP_PREFIX_OFFSET) lines.push(`${how.prefix}${i.toString(16).padStart(8, '0')}: ${text}`);
    else lines.push(`${how.prefix}${text}`);
  }
  return lines;
}
