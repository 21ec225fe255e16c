// Runs before the first paint (a classic script in <head>): the reader's own choice of light or dark.
(() => {
  const asked = new URLSearchParams(location.hash.slice(1)).get("theme");
  let chosen = asked;
  try {
    chosen ??= localStorage.getItem("theme");
  } catch {
    // Storage may be forbidden; the system's theme holds then.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  document.documentElement.classList.add("scripted");
})();
