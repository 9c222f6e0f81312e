import { device_node as NODE, property as PROPERTY } from '../../../abi/layout/structs.ts';
import { kernelString, readKernel32 } from '../../mm/maccess.ts';
import { address, badPointer, type Context, errorText, faultText, number, plain, pointerAt, SMALL, type Spec, widen } from './spec.ts';

// Device tree nodes: %pOF (lib/vsprintf.c, device_node_string).

const NAME_MAX = 4096;
/** How far up a path is followed: a damaged tree may be a ring. */
const DEPTH_MAX = 64;

const nameAt = (ctx: Context, at: bigint) => kernelString(ctx.k, address(at), NAME_MAX) ?? '';
/** The part after the last slash (kbasename). */
const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1);
const nodeName = (ctx: Context, node: bigint) => baseName(nameAt(ctx, pointerAt(ctx, node, NODE.full_name)));

function fullName(ctx: Context, node: bigint): string {
  let path = '';
  for (let n = node, depth = 0; depth < DEPTH_MAX; depth++) {
    const parent = pointerAt(ctx, n, NODE.parent);
    path = `${parent === 0n ? '' : '/'}${nodeName(ctx, n)}${path}`;
    if (parent === 0n) break;
    n = parent;
  }
  return path;
}
/** The strings of the property "compatible". */
function compatible(ctx: Context, node: bigint): string[] {
  let p = pointerAt(ctx, node, NODE.properties);
  for (let i = 0; p !== 0n && i < NAME_MAX; i++) {
    if (nameAt(ctx, pointerAt(ctx, p, PROPERTY.name)) === 'compatible') {
      const length = readKernel32(ctx.k, address(p) + PROPERTY.length) ?? 0;
      const value = pointerAt(ctx, p, PROPERTY.value);
      const strings: string[] = [];
      for (let at = 0; at < Math.min(length, NAME_MAX); ) {
        const text = kernelString(ctx.k, address(value) + at, length - at);
        if (text === null) break;
        strings.push(text);
        at += text.length + 1;
      }
      return strings;
    }
    p = pointerAt(ctx, p, PROPERTY.next);
  }
  return [];
}
/** Flag bits and their letters (OF_DYNAMIC, OF_DETACHED, OF_POPULATED, OF_POPULATED_BUS). */
const FLAG_LETTERS: readonly (readonly [number, string])[] = [
  [1, 'D'],
  [2, 'd'],
  [3, 'P'],
  [4, 'B'],
];

/** %pOF with letters f n p P F c C: full name, name, handle, name with unit, flags, first and all compatible strings. */
export function deviceNode(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  const bad = badPointer(ptr, s);
  if (bad !== null) return bad;
  if (readKernel32(ctx.k, address(ptr) + NODE._flags) === null) return faultText(ctx, ptr, s);
  const unpadded: Spec = { ...s, width: -1 };
  const letters = /^[fnpPFcC]+/.exec(fmt.slice(2))?.[0] ?? 'f';
  const parts = [...letters].map((letter) => {
    const name = nodeName(ctx, ptr);
    switch (letter) {
      case 'f':
        return fullName(ctx, ptr);
      case 'n':
        return /^[^@]*/.exec(name)?.[0] ?? '';
      case 'p':
        return number(BigInt(readKernel32(ctx.k, address(ptr) + NODE.phandle) ?? 0), { flags: SMALL, width: -1, precision: -1, base: 10 });
      case 'P':
        return plain(name.length < 1 ? '/' : name, unpadded);
      case 'F': {
        const flags = readKernel32(ctx.k, address(ptr) + NODE._flags) ?? 0;
        return plain(FLAG_LETTERS.map(([bit, l]) => ((flags & (1 << bit)) !== 0 ? l : '-')).join(''), unpadded);
      }
      case 'c':
        return plain(compatible(ctx, ptr)[0] ?? '', unpadded);
      default:
        return compatible(ctx, ptr)
          .map((text) => plain('"', unpadded) + plain(text, unpadded) + plain('"', unpadded))
          .join(',');
    }
  });
  return widen(parts.join(':'), s);
}

/** %pfw: firmware nodes, of which this kernel makes none. */
export function fwnode(_ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  if (fmt[1] !== 'w') return errorText('(%pf?)', s);
  return badPointer(ptr, s) ?? errorText('(%pfw?)', s);
}
