import type { Kernel } from '../kernel.ts';
import { EINVAL } from '../../abi/errno.ts';
import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { text } from './access.ts';
import { storeBytes } from './guest_memory.ts';

// UUIDs and GUIDs (lib/uuid.c): 16 bytes; a GUID keeps its first three fields with the lowest byte first.

const UUID_STRING_LEN = 36;
/** Where a pair of digits of the text goes. */
const UUID_INDEX = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const GUID_INDEX = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
const FORM = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const stringAt = (k: Kernel, at: number) => text(k, at, UUID_STRING_LEN);
function parse(k: Kernel, from: number, to: number, index: readonly number[]): number {
  const s = stringAt(k, from);
  if (!FORM.test(s)) return -EINVAL;
  const digits = s.replaceAll('-', '');
  const bytes = new Uint8Array(16);
  index.forEach((at, i) => {
    bytes[at] = Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16);
  });
  storeBytes(k, to, bytes);
  return 0;
}
/** A random one: version 4 in the upper digit of byte `versionAt`, variant DCE 1.1. */
function generate(k: Kernel, to: number, versionAt: number): void {
  const bytes = new Uint8Array(16);
  k.host.entropy(bytes);
  bytes[versionAt] = (bytes[versionAt] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  storeBytes(k, to, bytes);
}

export const uuidExports: readonly FunctionExport[] = [
  fn('uuid_is_valid', (k, s) => (FORM.test(stringAt(k, s)) ? 1 : 0)),
  fn('uuid_parse', (k, s, to) => parse(k, s, to, UUID_INDEX)),
  fn('guid_parse', (k, s, to) => parse(k, s, to, GUID_INDEX)),
  fn('uuid_gen', (k, to) => generate(k, to, 6)),
  fn('guid_gen', (k, to) => generate(k, to, 7)),
  fn('generate_random_uuid', (k, to) => generate(k, to, 6)),
  fn('generate_random_guid', (k, to) => generate(k, to, 7)),
];
export const uuidDataExports: readonly DataExport[] = [
  { name: 'uuid_null', place: (k) => imageObject(k, 16, 8) },
  { name: 'guid_null', place: (k) => imageObject(k, 16, 8) },
];
