// Character classes of the kernel (lib/ctype.c): Latin-1, unlike C's locale "C".

const digit = (c: number) => c >= 48 && c <= 57;
/** U, L of the table: 0xd7 and 0xf7 are signs. */
export function isAlpha(c: number): boolean {
  return (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || (c >= 0xc0 && c !== 0xd7 && c !== 0xf7);
}
export function isAlnum(c: number): boolean {
  return isAlpha(c) || digit(c);
}
export function isPrint(c: number): boolean {
  return (c >= 32 && c < 127) || c >= 0xa0;
}
export { digit as isDigit };
