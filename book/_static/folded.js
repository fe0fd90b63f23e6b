/* Text that a reader unfolds may be wider than a phone: the theme then looks again at what scrolls. */
"use strict";

addEventListener("toggle", () => dispatchEvent(new Event("resize")), true);
