import { FAST_NAMES, FAST_TYPES, type FastName } from '../fpu/fast.ts';
import { hasFusedMadd } from '../fpu/probe.ts';
import { REGION_PARAMS, REGION_RESULTS } from '../interpreter.ts';
import {
  CODE_MAP,
  CODE_MAP_BYTES,
  HEAT,
  HEAT_ENTRIES,
  JUMP_CACHE,
  JUMP_CACHE_ENTRIES,
  PAGE_SHIFT,
  PAGE_SIZE,
  STATE_HEAT_LIMIT,
} from '../layout.ts';
import type { Ram } from '../ram.ts';
import { I32, I64, ModuleBuilder } from '../wasm/encoder.ts';
import { buildRegion, type Region } from './cfg.ts';
import { emitRegion, type RegionImports } from './region.ts';

// The translations: which regions exist, compiled in batches, found through the jump cache, dropped when their code changes. They belong to
// physical pages, so every process and mapping shares them.

/** When jump targets are translated: after some executions, never, or at once (tests). */
export type Tier = 'auto' | 'cold' | 'hot';

const HEAT_LIMIT: Readonly<Record<Tier, number>> = { auto: 600, cold: 0xffff_ffff, hot: 1 };
/** Hot targets wait until there are so many, or one of them has become hot again: a module costs 0.1 to 0.3 ms whatever is in it. */
const BATCH = 32;
const MAX_INSNS = 200;
/** Beyond this all translations are dropped, and what is hot comes back: bounds the memory that code takes in the engine. */
const MAX_REGIONS = 20_000;

interface Translation {
  /** Physical pc | mode. */
  readonly tag: number;
  /** Index in the function table; 0 = the interpreter does it. */
  readonly index: number;
  readonly low: number;
  readonly high: number;
}

export interface TranslatorStats {
  regions: number;
  modules: number;
  insns: number;
  wasmBytes: number;
  dropped: number;
}

/** What the regions call: exports of the interpreter instance and the machine's helpers. */
export interface RegionLinks {
  readonly table: WebAssembly.Table;
  readonly functions: Readonly<Record<string, CallableFunction>>;
}

export class CodeCache {
  readonly stats: TranslatorStats = { regions: 0, modules: 0, insns: 0, wasmBytes: 0, dropped: 0 };
  private readonly ram: Ram;
  private readonly links: RegionLinks;
  private readonly tier: Tier;
  private readonly byTag = new Map<number, Translation>();
  /** By page number. */
  private readonly byPage = new Map<number, Translation[]>();
  private readonly pending = new Set<number>();
  private readonly free: number[] = [];
  private nextIndex = 1;
  /** A page gets its first translation: stores to it must be seen from now on. */
  private readonly onNewCodePage: (pa: number) => void;

  constructor(ram: Ram, links: RegionLinks, tier: Tier, onNewCodePage: (pa: number) => void) {
    this.ram = ram;
    this.links = links;
    this.tier = tier;
    this.onNewCodePage = onNewCodePage;
    ram.write32(STATE_HEAT_LIMIT, HEAT_LIMIT[tier]);
  }

  hasCode(pa: number): boolean {
    return this.isCodePage(pa >>> PAGE_SHIFT);
  }
  private isCodePage(page: number): boolean {
    return ((this.ram.u8[CODE_MAP + (page >>> 3)] >> (page & 7)) & 1) !== 0;
  }
  private setCodePage(page: number, on: boolean): void {
    const bit = 1 << (page & 7);
    const at = CODE_MAP + (page >>> 3);
    this.ram.u8[at] = on ? this.ram.u8[at] | bit : this.ram.u8[at] & ~bit;
  }

  /** The jump target became hot. 1 = its translation (or the word that it has none) is in the jump cache now. */
  promote(tag: number): number {
    const known = this.byTag.get(tag);
    if (known !== undefined) {
      this.install(known);
      return 1;
    }
    const again = this.pending.has(tag);
    this.pending.add(tag);
    if (!again && this.tier !== 'hot' && this.pending.size < BATCH) return 0;
    this.flush();
    return 1;
  }

  /** Drops what was made from [pa, pa + length). True when there was something. */
  invalidate(pa: number, length: number): boolean {
    if (this.byTag.size === 0) return false;
    let dropped = false;
    const last = (pa + length - 1) >>> PAGE_SHIFT;
    for (let page = pa >>> PAGE_SHIFT; page <= last; page++) {
      if (!this.isCodePage(page)) continue;
      const base = page * PAGE_SIZE;
      const list = this.byPage.get(page) as Translation[];
      const keep = list.filter((t) => base + t.high <= pa || base + t.low >= pa + length);
      if (keep.length === list.length) continue;
      for (const t of list) if (!keep.includes(t)) this.drop(t);
      dropped = true;
      if (keep.length > 0) this.byPage.set(page, keep);
      else {
        this.byPage.delete(page);
        this.setCodePage(page, false);
      }
    }
    return dropped;
  }

  /** Forgets everything, and what a snapshot of RAM may say about another machine's translations. */
  reset(): void {
    for (const t of [...this.byTag.values()]) this.drop(t);
    this.byPage.clear();
    this.ram.fill(CODE_MAP, CODE_MAP_BYTES);
    this.pending.clear();
    this.ram.fill(JUMP_CACHE, JUMP_CACHE_ENTRIES * 8);
    this.ram.fill(HEAT, HEAT_ENTRIES * 4);
    this.ram.write32(STATE_HEAT_LIMIT, HEAT_LIMIT[this.tier]);
  }

  private slot(tag: number): number {
    return JUMP_CACHE + ((tag >>> 1) & (JUMP_CACHE_ENTRIES - 1)) * 8;
  }
  private install(t: Translation): void {
    const at = this.slot(t.tag);
    this.ram.write32(at, t.tag);
    this.ram.write32(at + 4, t.index);
  }
  private drop(t: Translation): void {
    this.stats.dropped++;
    this.byTag.delete(t.tag);
    if (t.index !== 0) {
      this.links.table.set(t.index, null);
      this.free.push(t.index);
    }
    const at = this.slot(t.tag);
    if (this.ram.read32(at) === t.tag) this.ram.write64(at, 0);
  }
  private add(tag: number, index: number, region: Region | null): void {
    const pa = (tag & ~1) >>> 0;
    const page = pa >>> PAGE_SHIFT;
    const off = pa & (PAGE_SIZE - 1);
    const t: Translation = { tag, index, low: region?.low ?? off, high: region?.high ?? off + 4 };
    this.byTag.set(tag, t);
    const list = this.byPage.get(page);
    if (list !== undefined) list.push(t);
    else {
      this.byPage.set(page, [t]);
      this.setCodePage(page, true);
      this.onNewCodePage(page * PAGE_SIZE);
    }
    this.install(t);
  }

  private allocate(): number {
    const index = this.free.pop();
    if (index !== undefined) return index;
    const { table } = this.links;
    if (this.nextIndex >= table.length) table.grow(table.length);
    return this.nextIndex++;
  }

  private flush(): void {
    const { ram } = this;
    if (this.byTag.size > MAX_REGIONS) {
      const wanted = [...this.pending];
      this.reset();
      for (const tag of wanted) this.pending.add(tag);
    }
    const m = new ModuleBuilder();
    const load: Record<number, number> = {};
    const store: Record<number, number> = {};
    for (const size of [1, 2, 4, 8]) {
      load[size] = m.importFunc(`load${size}`, [I64], [I64]);
      store[size] = m.importFunc(`store${size}`, [I64, I64], []);
    }
    const fast = {} as Record<FastName, number>;
    for (const name of FAST_NAMES) fast[name] = m.importFunc(name, FAST_TYPES[name][0], FAST_TYPES[name][1]);
    const imports: RegionImports = {
      load,
      store,
      amoAddress: m.importFunc('amoAddress', [I32, I32, I32, I32], [I32]),
      fpu: m.importFunc('fpu', [I32, I32], []),
      fast,
      fused: hasFusedMadd(),
    };
    const made: { tag: number; region: Region; name: string }[] = [];
    for (const tag of this.pending) {
      const pa = (tag & ~1) >>> 0;
      const off = pa & (PAGE_SIZE - 1);
      const region = buildRegion(ram, pa - off, off, MAX_INSNS);
      if (region === null) {
        this.add(tag, 0, null);
        continue;
      }
      const func = m.func(REGION_PARAMS, REGION_RESULTS);
      m.define(func, emitRegion(region, imports, tag & 1));
      const name = `r${made.length}`;
      m.exportFunc(name, func);
      made.push({ tag, region, name });
      this.stats.insns += region.insns;
    }
    this.pending.clear();
    if (made.length === 0) return;
    const bytes = m.encode(ram.size / 65536);
    this.stats.modules++;
    this.stats.wasmBytes += bytes.length;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource), {
      m: { m: ram.memory, ...this.links.functions },
    });
    for (const { tag, region, name } of made) {
      const index = this.allocate();
      this.stats.regions++;
      this.links.table.set(index, instance.exports[name]);
      this.add(tag, index, region);
    }
  }
}
