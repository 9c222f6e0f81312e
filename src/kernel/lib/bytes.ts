/** Byte strings: one char per byte (latin1). The host boundary converts to and from UTF-8. */
export function bytesOf(text: string): Uint8Array {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}
export function stringOf(bytes: Uint8Array): string {
  let s = '';
  for (let i = 0; i < bytes.length; i += 4096) s += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return s;
}
/** Up to the first NUL. */
export function cstringOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return stringOf(end < 0 ? bytes : bytes.subarray(0, end));
}
/** Whole numbers as little-endian 64-bit words. */
export function bytesOf64(...words: readonly number[]): Uint8Array {
  const out = new Uint8Array(words.length * 8);
  const v = new DataView(out.buffer);
  words.forEach((n, i) => {
    v.setBigInt64(i * 8, BigInt(n), true);
  });
  return out;
}
