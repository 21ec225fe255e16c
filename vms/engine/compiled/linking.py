"""How compiled functions become one piece of machine code.

Numba links, optimises and assembles each function together with all that it calls, and all that
these call: what stands at the bottom of the engine was assembled again for each of two hundred
functions above it.  Here a function that is called from compiled code only is a `Part`, kept as it
was translated.  What is called from outside is a `Whole`: all the parts it needs, each once, and
private to it, so that LLVM may put a part that has one caller into its place.

Like `handle` this uses Numba's internals (semi-private: Numba is pinned).
"""

import gc

from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


class Part(JITCodeLibrary):
    """One function, neither linked nor assembled, and the libraries of those that it calls."""

    def finalize(self):
        """Take nothing more in."""
        self._finalized = True

    @property
    def defined(self):
        """Return the names of the functions that are its own."""
        return [each.name for each in self._final_module.functions if not each.is_declaration]


class Whole(JITCodeLibrary):
    """A function that is called from outside, with everything that it calls."""

    _private = frozenset()

    def finalize(self):
        """Link every part that is needed once, and optimise and assemble them together."""
        needed, waiting = {}, self._linking_libraries[::-1]
        while waiting:
            library = waiting.pop()
            if library not in needed:
                needed[library] = True
                if isinstance(library, Part):
                    waiting += library._linking_libraries[::-1]
        self._linking_libraries = list(needed)
        parts = [each for each in needed if isinstance(each, Part)]
        self._private = frozenset(name for part in parts for name in part.defined)
        super().finalize()

    def _optimize_final_module(self):
        for each in self._final_module.functions:
            if each.name in self._private:
                each.linkage = "internal"
        super()._optimize_final_module()


@register_pass(mutates_CFG=True, analysis_only=False)
class PartLowering(NativeLowering):
    """Translates a function into a part."""

    _name = "part_lowering"

    def run_pass(self, state):
        """Lower the function, and let other compiled functions call it."""
        state.library = Part(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        module = lowered.fndesc.lookup_module()
        key = _dynfunc.make_function(
            module, state.func_id.func_name, "", 0, lowered.env, (state.library,)
        )  # what compiled callers know it by; Python cannot call it
        state.targetctx.insert_user_function(key, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=key)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class WholeLowering(NativeLowering):
    """Translates a function that is called from outside."""

    _name = "whole_lowering"

    def run_pass(self, state):
        """Lower the function, and assemble it with what it calls."""
        state.library = Whole(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return super().run_pass(state)


class Compiler(CompilerBase):
    """Numba's pipeline for compiled code with another last step."""

    lowering = NativeLowering

    def define_pipelines(self):
        """Return the pipelines to be tried: one."""
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [
            (self.lowering if step is NativeLowering else step, words)
            for step, words in pipeline.passes
        ]
        pipeline._finalized = False
        pipeline.finalize()
        return [pipeline]

    def _compile_core(self):
        """Compile; a search for garbage among the compiler's millions of objects finds little."""
        if not gc.isenabled():
            return super()._compile_core()
        gc.disable()
        try:
            return super()._compile_core()
        finally:
            gc.enable()


class PartCompiler(Compiler):
    """Compiles what is called from compiled code only."""

    lowering = PartLowering


class WholeCompiler(Compiler):
    """Compiles what is called from outside."""

    lowering = WholeLowering
