import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** A kernel to boot. */
export interface Kernel {
  /** What it is called in tables: "6.1", or the image's name. */
  readonly name: string;
  readonly image: string;
  /** A folder as /lib/modules/RELEASE is; undefined for a kernel that has everything built in. */
  readonly modules: string | undefined;
}

/**
 * A kernel by its image. Its modules are looked for where a package has them, beside the image's folder
 * (`boot/vmlinuz-RELEASE` and `lib/modules/RELEASE`), then where this machine has them.
 */
export function kernelAt(image: string, modules?: string): Kernel {
  if (modules !== undefined && !existsSync(join(modules, "kernel"))) {
    throw new Error(`${modules} is no folder of modules: it has no "kernel" in it`);
  }
  const release = basename(image).replace(/^[^-]*-/, "");
  const places = [join(dirname(image), "..", "lib", "modules", release), join("/lib/modules", release)];
  return { name: release, image, modules: modules ?? places.find((place) => existsSync(join(place, "kernel"))) };
}

/** The kernel of an unpacked package: it holds one. */
export function kernelIn(folder: string, name: string): Kernel {
  const boot = join(folder, "boot");
  const image = readdirSync(boot).find((file) => file.startsWith("vmlinuz-"));
  if (image === undefined) throw new Error(`there is no kernel in ${boot}`);
  return { ...kernelAt(join(boot, image)), name };
}
