/**
 * Fetches a page as any program would: the name by way of /etc/resolv.conf. Prints what it got.
 *
 *     bun internet/fetch.ts URL
 */
const patience = 10_000 * Number(process.env["SLOWNESS"] ?? 1);
const response = await fetch(process.argv[2] as string, { signal: AbortSignal.timeout(patience) });
process.stdout.write(await response.text());
if (!response.ok) process.exitCode = 1;
