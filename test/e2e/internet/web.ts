/**
 * A web server somewhere on the internet. Tells every request, with the address it came from, as JSON lines.
 *
 *     bun internet/web.ts ADDRESS PORT
 */
const [address, port] = process.argv.slice(2);
const tell = (event: string, fields: object) => console.log(JSON.stringify({ event, ...fields }));

const server = Bun.serve({
  hostname: address as string,
  port: Number(port),
  fetch(request, self) {
    tell("request", { url: request.url, from: self.requestIP(request)?.address });
    return new Response(`A page of ${new URL(request.url).host}\n`);
  },
});
tell("listening", { address, port: server.port });
