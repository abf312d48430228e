"""The oracle: NumPy models of the kernel, sharing no code with it or with our packer."""

from harness.reference.contract_encoder import ContractEncoder
from harness.reference.contract_model import ContractReference
from harness.reference.float_encoder import FloatEncoder, unit
from harness.reference.float_model import FloatReference
from harness.reference.generate import Reference, ReferenceRun, generate, teacher_forced
from harness.reference.sampler import GREEDY, Sampler, Sampling, SamplingParams, is_greedy
from harness.reference.tokenizer import decode, encode

__all__ = [
    "GREEDY",
    "ContractEncoder",
    "ContractReference",
    "FloatEncoder",
    "FloatReference",
    "Reference",
    "ReferenceRun",
    "Sampler",
    "Sampling",
    "SamplingParams",
    "decode",
    "encode",
    "generate",
    "is_greedy",
    "teacher_forced",
    "unit",
]
