/**
 * What `@dp/host` needs of the programs and maps beyond the public API. No part of it: any version may change it.
 *
 * @module @dp/core/internal
 */
export { adoptFilters, type Filter, filtersOn, guardOf } from "./objects/programs/adopt.ts";
export { chooseMechanism } from "./objects/programs/choose-mechanism.ts";
export { openPrevious } from "./objects/upgrade/open.ts";
export { functionName } from "./objects/programs/pin-root.ts";
export { sockDestroyRefusal, verifyPrograms } from "./objects/programs/verify-programs.ts";
