// The log-in page: its form works without this file, in English.

import { byId, setText } from "./dom.js";
import { onLanguage, startWords, t } from "./words.js";

const query = new URLSearchParams(location.search);
const next = query.get("next") ?? "/";

// Only a path of this site: "//host" would be another one.
byId("next").value = /^\/(?![/\\])/.test(next) ? next : "/";
startWords();
onLanguage(() => {
  document.title = `${t("login-title")} · Tapline`;
  const problem = query.has("failed") ? "login-failed" : query.has("busy") ? "login-busy" : null;
  setText(byId("login-problem"), problem ? t(problem) : "");
});
byId("token").focus();
