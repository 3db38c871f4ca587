# Sourced before every test: nothing of the person's own settings reaches a test.
unset NO_COLOR QUANTWIZ_ISA QUANTWIZ_NOW QUANTWIZ_RULES OLLAMA_MODELS LLAMA_CACHE
unset HF_HOME HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_TOKEN HF_TOKEN_PATH HF_ENDPOINT HF_HUB_OFFLINE TRANSFORMERS_OFFLINE
unset HF_HUB_DOWNLOAD_TIMEOUT http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY
top_srcdir=$(cd "${srcdir:-.}" && pwd)
top_builddir=$(pwd)
QUANTWIZ=$top_builddir/quantwiz
DEMO=$top_srcdir/demo/quantwiz-demo-f16.gguf
QUANTWIZ_DATA=$top_srcdir
# Tests run side by side: threads that wait must not spin.
OMP_WAIT_POLICY=passive
HOME=$top_builddir/tests/home
XDG_CACHE_HOME=$HOME/.cache
XDG_CONFIG_HOME=$HOME/.config
LC_ALL=C.UTF-8
TZ=UTC
mkdir -p "$XDG_CACHE_HOME" "$XDG_CONFIG_HOME"
export OMP_WAIT_POLICY top_srcdir top_builddir QUANTWIZ QUANTWIZ_DATA DEMO HOME XDG_CACHE_HOME XDG_CONFIG_HOME LC_ALL TZ
