#!/usr/bin/env node
await import("../dist/bpf2ts/main.js");
