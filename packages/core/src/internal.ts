/**
 * What `@dp/host` needs of the programs and maps beyond the public API. No part of it: any version may change it.
 *
 * @module @dp/core/internal
 */
export { adoptFilters, type Filter, filtersOn, guardOf } from "./objects/adopt.ts";
export { openPrevious } from "./objects/open.ts";
export { functionName } from "./objects/pin-root.ts";
export { pinnedRecords, RECORDS_PIN } from "./objects/pinned-records.ts";
export { sockDestroyRefusal, verifyPrograms } from "./objects/verify-programs.ts";
