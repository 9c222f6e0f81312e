import { EBADMSG, EKEYREJECTED, ENODATA, ENOKEY, ENOPKG, EROFS, EINVAL } from '../../abi/errno.ts';
import * as M from '../../abi/module.ts';
import type { Kernel } from '../kernel.ts';
import { stringOf } from '../lib/bytes.ts';
import { lockedDown } from '../security/lockdown.ts';
import { verifyModuleSignature } from './pkcs7.ts';

// Signatures at the end of module files (kernel/module/signing.c, kernel/module_signature.c). One key is trusted, as in Debian's kernel: its build's own.

const MARKER = '~Module signature appended~\n';
/** struct module_signature: algo, hash, id_type, signer_len, key_id_len, three unused bytes, length of the signature (big-endian). */
const INFO_SIZE = 12;
const ID_TYPE = 2;
const SIG_LEN = 8;
const PKEY_ID_PKCS7 = 2;

const REASONS: ReadonlyMap<number, string> = new Map([
  [-ENODATA, 'unsigned module'],
  [-ENOPKG, 'module with unsupported crypto'],
  [-ENOKEY, 'module with unavailable key'],
]);
/** A module's file without its signature, and whether that is good (info->sig_ok). */
export interface SignedFile {
  readonly file: Uint8Array;
  readonly good: boolean;
}
/** module_sig_check: the file without its signature, or -errno. */
export function moduleSigCheck(k: Kernel, image: Uint8Array, flags: number): SignedFile | number {
  // Whoever wants versions ignored has changed the file: its signature says nothing.
  const mangled = (flags & (M.MODULE_INIT_IGNORE_MODVERSIONS | M.MODULE_INIT_IGNORE_VERMAGIC)) !== 0;
  let rest = image;
  let error = -ENODATA;
  if (!mangled && image.length > MARKER.length && stringOf(image.subarray(image.length - MARKER.length)) === MARKER) {
    rest = image.subarray(0, image.length - MARKER.length);
    const found = signatureInfo(k, rest);
    if (found < 0) error = found;
    else {
      const info = rest.length - INFO_SIZE;
      const signature = rest.subarray(info - found, info);
      rest = rest.subarray(0, info - found);
      error = verifyModuleSignature(rest, signature, (level, text) => k.printk.log(level, text));
      if (error === 0) return { file: rest, good: true };
    }
  }
  const reason = REASONS.get(error);
  if (reason === undefined) return error;
  if (!k.modules.sigEnforce) {
    const locked = lockedDown(k, 'moduleSignature');
    return locked < 0 ? locked : { file: rest, good: false };
  }
  k.printk.log(5, `Loading of ${reason} is rejected`);
  return -EKEYREJECTED;
}
/** mod_check_sig: the length of the signature, or -errno. */
function signatureInfo(k: Kernel, file: Uint8Array): number {
  if (file.length <= INFO_SIZE) return -EBADMSG;
  const info = file.subarray(file.length - INFO_SIZE);
  const length = new DataView(info.buffer, info.byteOffset, INFO_SIZE).getUint32(SIG_LEN, false);
  if (length >= file.length - INFO_SIZE) return -EBADMSG;
  if (info[ID_TYPE] !== PKEY_ID_PKCS7) {
    k.printk.log(3, 'module: not signed with expected PKCS#7 message');
    return -ENOPKG;
  }
  if (info.some((b, i) => b !== 0 && i !== ID_TYPE && i < SIG_LEN)) {
    k.printk.log(3, 'module: PKCS#7 signature info has unexpected non-zero params');
    return -EBADMSG;
  }
  return length;
}
/** module.sig_enforce on the command line and in sysfs, where it can only be switched on. */
export function signingInit(k: Kernel): void {
  const word = k.param('module.sig_enforce');
  k.modules.sigEnforce = word !== null && (word === '' || /^(1|y|on)/i.test(word));
  k.sysfs.createFile(k.sysfs.mkdirs('module/kernel/parameters'), 'module_blacklist', 0o400, { show: (kk) => `${kk.param('module_blacklist') ?? '(null)'}\n` });
  const dir = k.sysfs.mkdirs('module/module/parameters');
  k.sysfs.createFile(dir, 'sig_enforce', 0o644, {
    show: (kk) => (kk.modules.sigEnforce ? 'Y\n' : 'N\n'),
    store: (kk, _node, text) => {
      const on = /^(1|y|on)/i.test(text);
      if (!on && !/^(0|n|of)/i.test(text)) return -EINVAL;
      if (!on && kk.modules.sigEnforce) return -EROFS;
      kk.modules.sigEnforce = on;
      return 0;
    },
  });
}
