/** Loaded modules, exported symbols. Owned by the module helper. */
export interface ModuleState {
  readonly loaded: readonly string[];
}
