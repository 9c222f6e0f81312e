import { EACCES, ENOENT, ENOEXEC } from '../../abi/errno.ts';
import type { Bprm } from '../exec.ts';
import { stringOf } from '../lib/bytes.ts';

// `#!` programs (fs/binfmt_script.c).

const NEWLINE = 10;
const blank = (c: number) => c === 32 || c === 9;

/**
 * Rewrites `bprm` for the interpreter that the first line names: argv becomes interpreter, optional argument (the rest of the line, as one
 * word), the script's name, and the script's own arguments. Returns 0, -ENOEXEC when this is no script, or another error.
 */
export function loadScript(bprm: Bprm): number {
  const { buf } = bprm;
  if (buf[0] !== 0x23 || buf[1] !== 0x21) return -ENOEXEC;
  let end = buf.indexOf(NEWLINE);
  if (end < 0) {
    // The line is longer than the buffer: acceptable only when the interpreter's path itself is complete.
    end = buf.indexOf(0);
    if (end < 0) end = buf.length;
    if (end === buf.length) {
      let i = 2;
      while (i < end && blank(buf[i])) i++;
      while (i < end && !blank(buf[i])) i++;
      if (i === end) return -ENOEXEC;
    }
  }
  const nul = buf.indexOf(0);
  if (nul >= 0 && nul < end) end = nul;
  while (end > 2 && blank(buf[end - 1])) end--;
  let from = 2;
  while (from < end && blank(buf[from])) from++;
  // A line cut off by the end of the file has a name, the empty one: that is the working directory, which cannot be executed.
  if (from === end) return end === nul ? -EACCES : -ENOEXEC;
  let nameEnd = from;
  while (nameEnd < end && !blank(buf[nameEnd])) nameEnd++;
  let argFrom = nameEnd;
  while (argFrom < end && blank(buf[argFrom])) argFrom++;
  const interpreter = stringOf(buf.subarray(from, nameEnd));
  // A script behind a close-on-exec descriptor (fexecve) would be gone when its interpreter opens it.
  if (bprm.pathInaccessible) return -ENOENT;
  bprm.argv.shift();
  bprm.argv.unshift(bprm.interp);
  if (argFrom < end) bprm.argv.unshift(stringOf(buf.subarray(argFrom, end)));
  bprm.argv.unshift(interpreter);
  bprm.interp = interpreter;
  return 0;
}
