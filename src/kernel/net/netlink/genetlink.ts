import { EINVAL, ENOENT, EOPNOTSUPP } from '../../../abi/errno.ts';
import * as N from '../../../abi/netlink.ts';
import type { Kernel } from '../../kernel.ts';
import { cstringOf } from '../../lib/bytes.ts';
import type { NetlinkSock, NlAnswer } from './af_netlink.ts';
import { NlMessage, type NlRequest, parseAttrs, viewOf } from './message.ts';

// Generic netlink: only its controller, which tells of families; there is no other (net/netlink/genetlink.c).

function family(r: NlRequest, sk: NetlinkSock, flags: number): Uint8Array {
  return new NlMessage(N.GENL_ID_CTRL, flags, r.seq, sk.portid)
    .u8(N.CTRL_CMD_NEWFAMILY, 2, 0, 0)
    .attrString(N.CTRL_ATTR_FAMILY_NAME, 'nlctrl')
    .attr(N.CTRL_ATTR_FAMILY_ID, new Uint8Array([N.GENL_ID_CTRL, 0]))
    .attrU32(N.CTRL_ATTR_VERSION, 2)
    .attrU32(N.CTRL_ATTR_HDRSIZE, 0)
    .attrU32(N.CTRL_ATTR_MAXATTR, 10)
    .finish();
}
export function genlRequest(_k: Kernel, sk: NetlinkSock, r: NlRequest): NlAnswer {
  if (r.type !== N.GENL_ID_CTRL) return -ENOENT;
  if (r.body.length < 4) return -EINVAL;
  if (r.body[0] !== N.CTRL_CMD_GETFAMILY) return -EOPNOTSUPP;
  if ((r.flags & N.NLM_F_DUMP) === N.NLM_F_DUMP) return [family(r, sk, N.NLM_F_MULTI)];
  const attrs = parseAttrs(r.body, 4);
  const name = attrs.get(N.CTRL_ATTR_FAMILY_NAME);
  const id = attrs.get(N.CTRL_ATTR_FAMILY_ID);
  if (name === undefined && id === undefined) return -EINVAL;
  const found = name !== undefined ? cstringOf(name) === 'nlctrl' : id !== undefined && id.length >= 2 && viewOf(id).getUint16(0, true) === N.GENL_ID_CTRL;
  return found ? [family(r, sk, 0)] : -ENOENT;
}
