// A worker by hand: child_process.fork and its channel. Says its figures as JSON.
"use strict";

const { fork } = require("node:child_process");

const WINDOW = 64;
const now = () => Number(process.hrtime.bigint()) / 1e9;
const median = (figures) => figures.sort((a, b) => a - b)[figures.length >> 1];

function serve() {
    const bulk = new Uint8Array(50e6);
    process.on("message", ({ id, name, args }) => {
        process.send({ id, result: name === "add" ? args[0] + args[1] : bulk });
    });
}

async function start() {
    const child = fork(__filename, ["serve"], { serialization: "advanced" });
    const waiting = new Map();
    let last = 0;
    child.on("message", ({ id, result }) => {
        waiting.get(id)(result);
        waiting.delete(id);
    });
    const call = (name, ...args) => new Promise((resolve) => {
        waiting.set(++last, resolve);
        child.send({ id: last, name, args });
    });
    await call("add", 1, 1);
    return { child, call };
}

async function timed(times, act) {
    const figures = [];
    for (let i = 0; i < times; i++) {
        const began = now();
        await act();
        figures.push(now() - began);
    }
    return median(figures);
}

async function many(call, count) {
    const one = async () => {
        for (let i = 0; i < count / WINDOW; i++) await call("add", 1, 1);
    };
    const began = now();
    await Promise.all(Array.from({ length: WINDOW }, one));
    return count / (now() - began);
}

async function main() {
    const cold = await timed(5, async () => (await start()).child.kill());
    const { child, call } = await start();
    const figures = {
        start: cold,
        call: await timed(3000, () => call("add", 1, 1)),
        per_second: await many(call, 64_000),
        bulk: await timed(5, () => call("bulk")),
    };
    child.kill();
    console.log(JSON.stringify(figures));
}

if (process.argv[2] === "serve") serve();
else main();
