import { FAST_NAMES, FAST_TYPES, type FastName } from '../fpu/fast.ts';
import { hasFusedMadd } from '../fpu/probe.ts';
import { REGION_PARAMS, REGION_RESULTS } from '../region_exit.ts';
import {
  CODE_MAP,
  CODE_MAP_BYTES,
  FUEL,
  GUARDS,
  HEAT,
  HEAT_ENTRIES,
  JUMP_CACHE,
  JUMP_CACHE_ENTRIES,
  PAGE_SHIFT,
  PAGE_SIZE,
  PROFILE,
  PROFILE_ENTRIES,
  STATE_HEAT_LIMIT,
} from '../layout.ts';
import type { Ram } from '../ram.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { I32, I64 } from '../wasm/opcodes.ts';
import { buildRegion, isReturn, REACH, type Region, type RegionSource } from './cfg.ts';
import type { RegionImports } from './operands.ts';
import { emitRegion } from './region.ts';

// The translations: which regions exist, compiled in batches, found through the jump cache, dropped when their code changes. They belong to
// physical pages, so every process and mapping shares them.

const OP_JALR = 0x67;

/**
 * When jump targets are translated: as they get hot, or never; for tests at once (quickly, or with all that pays for hot code), or so early that
 * all steps of the way to a full translation happen in short programs.
 */
export type Tier = 'auto' | 'cold' | 'quick' | 'hot' | 'eager';

interface Limits {
  /** Jumps to a target before it is translated. */
  readonly heat: number;
  /** Hot targets wait until there are so many, or one of them has become hot again: a module costs 0.1 to 0.3 ms whatever is in it. */
  readonly batch: number;
  /** Instructions that retire in a quick region before it is worth a full one: about the time that making it takes, optimised. */
  readonly fuel: number;
  /** Regions that have used up their fuel wait until there are so many, or one of them has used this much more. */
  readonly fullBatch: number;
  readonly moreFuel: number;
}
const AUTO: Limits = { heat: 2500, batch: 32, fuel: 3_000_000, fullBatch: 8, moreFuel: 500_000 };
const LIMITS: Readonly<Record<Tier, Limits>> = {
  auto: AUTO,
  cold: { ...AUTO, heat: 0xffff_ffff },
  quick: { ...AUTO, heat: 1, batch: 1 },
  hot: { ...AUTO, heat: 1, batch: 1 },
  eager: { heat: 3, batch: 3, fuel: 200, fullBatch: 2, moreFuel: 50 },
};
/**
 * Instructions of a region, by its level: the engine's optimising compiler takes more than twice the time for code of twice the size, so only
 * code that earns it gets large regions, copies of functions and loops.
 */
const MAX_INSNS = { quick: 60, full: 400 } as const;
const ENDLESS_FUEL = 0x7fff_ffff;
/** Beyond these all translations are dropped, and what is hot comes back: they bound the memory that code takes in the engine. */
const MAX_REGIONS = 20_000;
const MAX_BYTES = 48 << 20;

type Level = keyof typeof MAX_INSNS;
interface Translation {
  /** Physical pc | mode. */
  readonly tag: number;
  /** Index in the function table; 0 = the interpreter does it. */
  readonly index: number;
  readonly level: Level;
  /** Physical byte ranges that it was made from, one for each page. */
  readonly ranges: readonly (readonly [number, number])[];
  /** Physical addresses of its indirect transfers. */
  readonly sites: readonly number[];
  /** The module that it is in; null without a function. */
  readonly module: CodeModule | null;
}
/** The engine frees a module when no function of it is left. */
interface CodeModule {
  readonly bytes: number;
  live: number;
}
/** What is known of an indirect transfer: the distances that it went, most frequent first, and how often that made regions new. */
interface Site {
  targets: readonly number[];
  rounds: number;
}
const MIN_COUNT = 50;
const MAX_TARGETS = 12;
const MAX_ROUNDS = 6;

export interface TranslatorStats {
  /** Regions made, and how many of them with all that pays for hot code. */
  regions: number;
  full: number;
  modules: number;
  insns: number;
  wasmBytes: number;
  dropped: number;
  /** Of the regions, those that are there now, and the bytes of the modules that hold them. */
  live: number;
  liveBytes: number;
  /** Milliseconds in this code, and in the engine for the modules (0 without a clock). */
  translateMs: number;
  compileMs: number;
}

/** What the regions call: exports of the interpreter instance and the machine's helpers. */
export interface RegionLinks {
  readonly table: WebAssembly.Table;
  readonly functions: Readonly<Record<string, CallableFunction>>;
}

export interface CodeCacheHooks {
  /** A page gets its first translation: stores to it must be seen from now on. */
  newCodePage(pa: number): void;
  /** Physical page of the code at `va` in the current address space, -1 when there is none that was used. */
  codePageAt(va: number, mode: number): number;
  /** Milliseconds, for statistics only. */
  clock(): number;
}

export class CodeCache {
  readonly stats: TranslatorStats = {
    regions: 0,
    full: 0,
    modules: 0,
    insns: 0,
    wasmBytes: 0,
    dropped: 0,
    live: 0,
    liveBytes: 0,
    translateMs: 0,
    compileMs: 0,
  };
  private readonly ram: Ram;
  private readonly links: RegionLinks;
  private readonly tier: Tier;
  private readonly limits: Limits;
  private readonly byTag = new Map<number, Translation>();
  /** By page number. */
  private readonly byPage = new Map<number, Set<Translation>>();
  /** Hot targets without a translation, and those that are to get a full one, with their virtual addresses. */
  private readonly pending = new Map<number, number>();
  private readonly improving = new Map<number, number>();
  private readonly sites = new Map<number, Site>();
  private readonly bySite = new Map<number, Set<Translation>>();
  /** Targets whose neighbouring pages proved not to be mapped alike everywhere, by how often: they get regions of one page. */
  private readonly unstable = new Map<number, number>();
  private readonly free: number[] = [];
  private nextIndex = 1;
  /** The virtual address that a tag was last translated for. */
  private readonly addressOf = new Map<number, number>();
  private readonly hooks: CodeCacheHooks;
  /** What all modules begin with, and get. */
  private readonly header = new ModuleBuilder();
  private readonly imports: RegionImports;
  private readonly importObject: WebAssembly.Imports;
  private readonly regionNames: string[] = [];

  constructor(ram: Ram, links: RegionLinks, tier: Tier, hooks: CodeCacheHooks) {
    this.ram = ram;
    this.links = links;
    this.tier = tier;
    this.limits = LIMITS[tier];
    this.hooks = hooks;
    this.imports = importsOf(this.header, 'cleanBytes' in links.functions);
    this.importObject = { m: { m: ram.memory, ...links.functions } };
    ram.write32(STATE_HEAT_LIMIT, this.limits.heat);
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
  promote(tag: number, va: number): number {
    const known = this.byTag.get(tag);
    if (known !== undefined) {
      this.install(known);
      return 1;
    }
    const again = this.pending.has(tag);
    this.pending.set(tag, va);
    if (!again && this.pending.size < this.limits.batch) return 0;
    this.flush(this.pending, this.tier === 'hot' ? 'full' : 'quick', tag);
    return 1;
  }

  /** A region has used up its fuel. */
  improve(tag: number, va: number): void {
    const t = this.byTag.get(tag);
    if (t === undefined) return;
    if (t.level === 'full' || this.tier === 'quick') {
      this.ram.write32(FUEL + t.index * 4, ENDLESS_FUEL);
      return;
    }
    this.ram.write32(FUEL + t.index * 4, this.limits.moreFuel);
    const again = this.improving.has(tag);
    this.improving.set(tag, va);
    if (again || this.improving.size >= this.limits.fullBatch) this.flush(this.improving, 'full', tag);
  }

  /** A region found its pages mapped otherwise than when it was made. */
  guardFailed(tag: number): void {
    const t = this.byTag.get(tag);
    if (t === undefined) return;
    this.drop(t);
    this.unstable.set(tag, (this.unstable.get(tag) ?? 0) + 1);
  }

  /** The indirect transfer at `site` goes `distance` bytes (as an unsigned word) often enough for regions to follow it. */
  profile(site: number, distance: number): void {
    const known = this.siteAt(site);
    if (known.rounds >= MAX_ROUNDS || known.targets.length >= MAX_TARGETS || known.targets.includes(distance | 0)) return;
    known.targets = [...known.targets, distance | 0];
    // Quick regions do not follow indirect transfers, and look at the counts when they become full ones.
    let stale = false;
    for (const t of this.bySite.get(site) ?? []) {
      const va = this.addressOf.get(t.tag);
      if (t.level !== 'full' || va === undefined) continue;
      this.improving.set(t.tag, va);
      stale = true;
    }
    if (!stale) return;
    known.rounds++;
    this.observe(site, known);
    this.flush(this.improving, 'full', 0);
  }
  private siteAt(site: number): Site {
    const known = this.sites.get(site);
    if (known !== undefined) return known;
    const made: Site = { targets: [], rounds: 0 };
    this.sites.set(site, made);
    return made;
  }
  /** Adds the targets that were counted. */
  private observe(site: number, known: Site): void {
    const { u32 } = this.ram;
    const found: { distance: number; count: number }[] = [];
    for (let at = PROFILE >> 2; at < (PROFILE >> 2) + PROFILE_ENTRIES * 4; at += 4) {
      if (u32[at] !== site || u32[at + 2] < MIN_COUNT) continue;
      const distance = u32[at + 1] | 0;
      if (!known.targets.includes(distance)) found.push({ distance, count: u32[at + 2] });
    }
    found.sort((p, q) => q.count - p.count);
    known.targets = [...known.targets, ...found.map((t) => t.distance)].slice(0, MAX_TARGETS);
  }
  /** Where the indirect transfer at a physical address goes, most frequent first. */
  private targetsOf(site: number): readonly number[] {
    const known = this.siteAt(site);
    this.observe(site, known);
    return known.targets;
  }

  /** Drops what was made from [pa, pa + length). True when there was something. */
  invalidate(pa: number, length: number): boolean {
    if (this.byTag.size === 0) return false;
    let dropped = false;
    const last = (pa + length - 1) >>> PAGE_SHIFT;
    for (let page = pa >>> PAGE_SHIFT; page <= last; page++) {
      if (!this.isCodePage(page)) continue;
      for (const t of [...(this.byPage.get(page) as Set<Translation>)]) {
        if (!t.ranges.some(([low, high]) => low < pa + length && high > pa)) continue;
        this.drop(t);
        this.addressOf.delete(t.tag);
        dropped = true;
      }
    }
    return dropped;
  }

  /** Forgets everything, and what a snapshot of RAM may say about another machine's translations. */
  reset(): void {
    for (const t of [...this.byTag.values()]) this.drop(t);
    this.addressOf.clear();
    this.sites.clear();
    this.unstable.clear();
    this.ram.fill(PROFILE, PROFILE_ENTRIES * 16);
    this.ram.fill(CODE_MAP, CODE_MAP_BYTES);
    this.pending.clear();
    this.improving.clear();
    this.ram.fill(JUMP_CACHE, JUMP_CACHE_ENTRIES * 8);
    this.ram.fill(HEAT, HEAT_ENTRIES * 4);
    this.ram.write32(STATE_HEAT_LIMIT, this.limits.heat);
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
    if (t.module !== null) {
      this.links.table.set(t.index, null);
      this.free.push(t.index);
      this.stats.live--;
      if (--t.module.live === 0) this.stats.liveBytes -= t.module.bytes;
    }
    const at = this.slot(t.tag);
    if (this.ram.read32(at) === t.tag) this.ram.write64(at, 0);
    for (const [low] of t.ranges) {
      const page = low >>> PAGE_SHIFT;
      const list = this.byPage.get(page);
      list?.delete(t);
      if (list?.size !== 0) continue;
      this.byPage.delete(page);
      this.setCodePage(page, false);
    }
    for (const site of t.sites) {
      const list = this.bySite.get(site);
      list?.delete(t);
      if (list?.size === 0) this.bySite.delete(site);
    }
  }
  private add(t: Translation, va: number): void {
    const old = this.byTag.get(t.tag);
    if (old !== undefined) this.drop(old);
    this.byTag.set(t.tag, t);
    this.addressOf.set(t.tag, va);
    if (t.module !== null) {
      this.ram.write32(FUEL + t.index * 4, t.level === 'full' ? ENDLESS_FUEL : this.limits.fuel);
      this.stats.live++;
      if (t.module.live++ === 0) this.stats.liveBytes += t.module.bytes;
    }
    for (const [low] of t.ranges) {
      const page = low >>> PAGE_SHIFT;
      const list = this.byPage.get(page);
      if (list !== undefined) list.add(t);
      else {
        this.byPage.set(page, new Set([t]));
        this.setCodePage(page, true);
        this.hooks.newCodePage(page * PAGE_SIZE);
      }
    }
    for (const site of t.sites) {
      const list = this.bySite.get(site);
      if (list !== undefined) list.add(t);
      else this.bySite.set(site, new Set([t]));
    }
    this.install(t);
  }

  private allocate(): number {
    const { table } = this.links;
    const index = this.free.pop() ?? this.nextIndex++;
    if (index >= table.length) table.grow(table.length);
    // A new index, too: a snapshot of RAM holds another machine's guards.
    this.ram.write64(GUARDS + index * 8, 0);
    return index;
  }

  private sourceOf(tag: number, va: number, level: Level): RegionSource {
    const page = Math.floor(va / PAGE_SIZE) * PAGE_SIZE;
    const own = ((tag & ~1) >>> 0) - (((tag & ~1) >>> 0) % PAGE_SIZE);
    const alone = (this.unstable.get(tag) ?? 0) > 1 || this.hooks.codePageAt(va, tag & 1) !== own;
    return {
      ram: this.ram,
      pageAt: (delta) => (delta === 0 ? own : alone ? -1 : this.hooks.codePageAt(page + delta * PAGE_SIZE, tag & 1)),
      targetsOf: (pa) => this.targetsOf(pa),
      full: level === 'full',
      reach: (tag & 1) === 0 ? REACH.user : REACH.kernel,
      maxInsns: MAX_INSNS[level],
    };
  }

  /** Translates what is wanted in one module; targets of other address spaces wait, except `now`. */
  private flush(wanted: Map<number, number>, level: Level, now: number): void {
    const { ram } = this;
    const started = this.hooks.clock();
    if (this.byTag.size > MAX_REGIONS || this.stats.liveBytes > MAX_BYTES) {
      const all = [...wanted];
      this.reset();
      for (const [tag, va] of all) wanted.set(tag, va);
    }
    const m = this.header.withImports();
    const { imports } = this;
    const made: { tag: number; va: number; index: number; region: Region; name: string }[] = [];
    for (const [tag, va] of wanted) {
      const pa = (tag & ~1) >>> 0;
      const off = pa & (PAGE_SIZE - 1);
      if (tag !== now && this.hooks.codePageAt(va, tag & 1) !== pa - off) continue;
      wanted.delete(tag);
      const region = buildRegion(this.sourceOf(tag, va, level), off);
      if (region === null) {
        this.add({ tag, index: 0, level, ranges: [[pa, Math.min(pa + 4, pa - off + PAGE_SIZE)]], sites: [], module: null }, va);
        continue;
      }
      const index = this.allocate();
      const func = m.func(REGION_PARAMS, REGION_RESULTS);
      m.define(func, emitRegion(region, imports, tag & 1, index));
      const name = (this.regionNames[made.length] ??= `r${made.length}`);
      m.exportFunc(name, func);
      made.push({ tag, va, index, region, name });
      this.stats.insns += region.insns;
    }
    if (made.length === 0) return;
    const bytes = m.encode(ram.memory.buffer.byteLength / 65536);
    this.stats.modules++;
    this.stats.wasmBytes += bytes.length;
    const emitted = this.hooks.clock();
    this.stats.translateMs += emitted - started;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource), this.importObject);
    this.stats.compileMs += this.hooks.clock() - emitted;
    const module: CodeModule = { bytes: bytes.length, live: 0 };
    for (const { tag, va, index, region, name } of made) {
      this.stats.regions++;
      if (level === 'full') this.stats.full++;
      this.links.table.set(index, instance.exports[name]);
      this.add({ tag, index, level, ranges: region.ranges, sites: indirectSites(region), module }, va);
    }
  }
}

/** Imports what regions call. */
function importsOf(m: ModuleBuilder, watched: boolean): RegionImports {
  const load: Record<number, number> = {};
  const store: Record<number, number> = {};
  for (const size of [1, 2, 4, 8]) {
    load[size] = m.importFunc(`load${size}`, [I64], [I64]);
    store[size] = m.importFunc(`store${size}`, [I64, I64], []);
  }
  const fast = {} as Record<FastName, number>;
  for (const name of FAST_NAMES) fast[name] = m.importFunc(name, FAST_TYPES[name][0], FAST_TYPES[name][1]);
  return {
    load,
    store,
    amoAddress: m.importFunc('amoAddress', [I32, I32, I32, I32], [I32]),
    fpu: m.importFunc('fpu', [I32, I32], []),
    checkPage: m.importFunc('checkPage', [I64, I32], [I32]),
    groupPa: m.importFunc('groupPa', [I64, I32, I32], [I32]),
    cleanBytes: watched ? m.importFunc('cleanBytes', [I32, I32], [I32]) : null,
    fast,
    fused: hasFusedMadd(),
    templates: new Map(),
  };
}

/** Physical addresses of a region's indirect transfers, returns aside. */
function indirectSites(region: Region): number[] {
  const found = new Set<number>();
  for (const b of region.blocks) {
    const last = b.insns[b.insns.length - 1];
    if (last === undefined || (last.word & 0x7f) !== OP_JALR || isReturn(last.word)) continue;
    found.add((region.pages.get(last.off >> PAGE_SHIFT) as number) + (last.off & (PAGE_SIZE - 1)));
  }
  return [...found];
}
