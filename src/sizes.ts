/** A size or duration that a person wrote wrongly. */
export class SizeError extends Error {}

const MIB = 1024 ** 2;

/** `64M`, `1G`, `262144K` or bytes, to bytes, rounded up to 2 MiB. @throws SizeError */
export function parseMemory(text: string): number {
  const m = /^(\d+)([kmg]?)b?$/i.exec(text.trim());
  if (m === null) throw new SizeError(`'${text}' is not a size of memory (examples: 256M, 1G)`);
  const bytes = Number(m[1]) * { '': 1, k: 1024, m: MIB, g: 1024 * MIB }[m[2].toLowerCase() as '' | 'k' | 'm' | 'g'];
  if (bytes < 16 * MIB || bytes > 3840 * MIB) throw new SizeError(`memory must lie between 16M and 3840M, not ${text}`);
  return Math.ceil(bytes / (2 * MIB)) * 2 * MIB;
}

/** `30s`, `500ms`, `2m` or seconds, to milliseconds. @throws SizeError */
export function parseDuration(text: string): number {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
  if (m === null) throw new SizeError(`'${text}' is not a time (examples: 30s, 500ms, 2m)`);
  return Number(m[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[(m[2] ?? 's') as 'ms' | 's' | 'm' | 'h'];
}
