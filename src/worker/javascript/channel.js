(function (native) {
    "use strict";
    class Channel {
        #name;
        constructor(name) {
            this.#name = name;
        }
        get name() {
            return this.#name;
        }
        get isOpen() {
            return native.isOpen(this.#name);
        }
        async put(value) {
            await native.put(this.#name, value);
        }
        async take() {
            return native.take(this.#name);
        }
        tryTake() {
            return native.tryTake(this.#name);
        }
        close() {
            native.close(this.#name);
        }
        async *[Symbol.asyncIterator]() {
            for (;;) {
                let value;
                try {
                    value = await native.take(this.#name);
                } catch (error) {
                    if (error?.name === "ChannelClosed") return;
                    throw error;
                }
                yield value;
            }
        }
    }
    return (name) => new Channel(String(name));
})
