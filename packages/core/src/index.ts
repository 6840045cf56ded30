export { LibbpfError, MapFullError, VerifierError } from "./libbpf/index.ts";
